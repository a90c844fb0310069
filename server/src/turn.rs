//! What a command may ask of the thread that runs it.

use std::time::{SystemTime, UNIX_EPOCH};

use revenant::Context;

/// A command's turn on a CPU: a worker's, which can be preempted, or the dispatcher's.
pub trait Turn {
    /// A place where the command may lose its CPU for a while. Call it while holding nothing.
    fn safepoint(&self);

    /// Whether nobody waits for the reply any more.
    fn is_cancelled(&self) -> bool;

    /// Runs `section` without preemption; [`atomically`] is the comfortable form.
    fn without_preemption(&self, section: &mut dyn FnMut());

    /// Milliseconds since 1970, by which keys expire.
    fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
    }
}

/// Runs `section` without preemption and returns its result: for the moments in which it holds a
/// lock that others need.
pub fn atomically<R>(turn: &dyn Turn, section: impl FnOnce() -> R) -> R {
    let (mut section, mut result) = (Some(section), None);
    turn.without_preemption(&mut || result = section.take().map(|section| section()));
    result.expect("a turn runs the section it is given")
}

impl Turn for Context<'_> {
    /// The only place where a worker's command is preempted; see [`crate::worker`].
    fn safepoint(&self) {
        self.relent();
    }

    fn is_cancelled(&self) -> bool {
        Context::is_cancelled(self)
    }

    fn without_preemption(&self, section: &mut dyn FnMut()) {
        self.no_preempt(section);
    }
}

/// A turn that nothing interrupts: on the dispatcher, or in a program without a runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uninterrupted;

impl Turn for Uninterrupted {
    fn safepoint(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }

    fn without_preemption(&self, section: &mut dyn FnMut()) {
        section();
    }
}
