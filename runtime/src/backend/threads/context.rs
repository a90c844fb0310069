//! What running work may ask of the runtime.

use std::time::Duration;

use super::clock::now_ns;
use super::shared::Shared;
use super::table::{Ending, Slot};
use super::worker::{self, Worker};
use crate::hint::ClassId;
use crate::sync::Ordering;
use crate::task::TaskId;

/// The running request's view of the runtime. Cheap to pass down the call stack.
#[derive(Debug)]
pub struct Context<'r> {
    pub(super) shared: &'r Shared,
    pub(super) worker: &'r Worker,
    pub(super) slot: &'r Slot,
    pub(super) task: TaskId,
}

impl Context<'_> {
    /// A place where the request may be preempted at once: one load if nobody wants to.
    ///
    /// Work without safepoints is preempted too, by a signal, some 10 us later.
    #[inline]
    pub fn safepoint(&self) {
        self.worker.safepoint();
    }

    /// Gives up the CPU until the policy decides that it is this request's turn again.
    pub fn yield_now(&self) {
        worker::yield_now(self.shared, self.worker);
    }

    /// Runs `section` without preemption. For the moments in which the request holds something that
    /// others need, a hot lock above all: a parked owner would make them wait for its turn.
    ///
    /// Nests. Keep it short: requests that wait for this CPU wait for the section's end.
    #[inline]
    pub fn no_preempt<R>(&self, section: impl FnOnce() -> R) -> R {
        let _guard = self.worker.forbid_preemption();
        section()
    }

    /// A safepoint that counts within [`Self::no_preempt`], too: for work that must not be preempted
    /// anywhere else, as it now and then holds what others cannot wait for. Hold nothing here.
    #[inline]
    pub fn relent(&self) {
        self.worker.relent();
    }

    /// Whether the requester has lost interest: cancelled, past its deadline, or the runtime is
    /// shutting down. Long work should look now and then, and return early.
    pub fn is_cancelled(&self) -> bool {
        self.slot.cancelled.load(Ordering::Relaxed)
            || self.shared.is_aborting()
            || self.deadline_ns().is_some_and(|deadline_ns| now_ns() > deadline_ns)
    }

    /// Time left until the request's deadline; zero if it has passed, `None` if there is none.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline_ns()
            .map(|deadline_ns| Duration::from_nanos(deadline_ns.saturating_sub(now_ns())))
    }

    fn deadline_ns(&self) -> Option<u64> {
        self.slot.hints().deadline_ns
    }

    /// Counts the request as completed: before its answer is delivered, so that whoever gets the
    /// answer finds the place in its class free.
    pub(crate) fn settle(&self) {
        worker::leave_class(self.shared, self.slot, Ending::Completed, now_ns());
    }

    /// The request's class.
    pub fn class(&self) -> ClassId {
        self.slot.hints().class
    }

    /// The request's task id.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// Tells the stall meter that this CPU makes progress. Long work that calls it every
    /// microsecond or so lets reports tell the machine's stalls from the scheduler's.
    #[inline]
    pub fn beat(&self) {
        let now_ns = now_ns();
        self.shared.stalls.lane(self.worker.lane_index()).beat(now_ns);
    }
}
