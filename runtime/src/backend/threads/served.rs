//! Requests on threads that somebody else schedules: the request table, admission and contexts of
//! this backend, without its lanes. The kernel backend's workers are such threads.

use std::sync::Arc;
use std::time::Duration;

use super::doorbell::Doorbell;
use super::ownership::WorkerId;
use super::shared::{Mode, Shared};
use super::start::{Options, assemble};
use super::table::Completion;
use super::{clock, placement, worker};
use crate::hint::Hints;
use crate::ingress::Ingress;
use crate::sync::{AtomicU64, Ordering};
use crate::task::TaskId;

const NOTHING: u64 = u64::MAX;

/// Where a worker that waits is given its next request.
#[derive(Debug)]
pub(crate) struct Seat {
    order: AtomicU64,
    bell: Doorbell,
}

impl Default for Seat {
    fn default() -> Self {
        Self { order: AtomicU64::new(NOTHING), bell: Doorbell::default() }
    }
}

impl Seat {
    /// Gives a request to the worker, which has none.
    pub(crate) fn give(&self, task: TaskId) {
        // Release pairs with the acquire in `take`: the worker sees the request.
        self.order.store(task.to_bits(), Ordering::Release);
        self.bell.ring();
    }

    pub(crate) fn rouse(&self) {
        self.bell.ring();
    }

    fn take(&self) -> Option<TaskId> {
        let bits = self.order.swap(NOTHING, Ordering::Acquire);
        (bits != NOTHING).then(|| TaskId::from_bits(bits))
    }

    /// Waits for a request; `None`: the runtime stops.
    pub(crate) fn wait(&self, shared: &Shared) -> Option<TaskId> {
        loop {
            if let Some(task) = self.take() {
                return Some(task);
            }
            if shared.is_stopping() {
                return None;
            }
            self.bell.lie_down();
            // Once more, as the giver may have looked for a sleeper before there was one.
            if self.order.load(Ordering::Acquire) != NOTHING || shared.is_stopping() {
                self.bell.get_up();
            } else {
                self.bell.sleep(Duration::from_secs(3600));
            }
        }
    }
}

/// What workers and the dispatcher share, without any thread.
pub(crate) fn shared(options: &Options) -> Arc<Shared> {
    assemble(options).0
}

/// Makes the calling thread worker `id`.
pub(crate) fn begin(shared: &Shared, id: u16) {
    let worker = shared.worker(WorkerId(id));
    worker.cpu_clock.store(clock::own_cpu_clock(), Ordering::Relaxed);
    worker.tid.store(placement::own_tid(), Ordering::Release);
    // Nobody here asks a worker to make way; without this its first safepoint would believe so.
    worker.ask_at(u32::MAX);
}

/// Runs a request on the calling thread, which is worker `id`.
pub(crate) fn run(shared: &Shared, id: u16, task: TaskId) {
    worker::run_served(shared, shared.worker(WorkerId(id)), task);
}

/// The next accepted request nobody has taken.
pub(crate) fn next_submitted(shared: &Shared) -> Option<TaskId> {
    shared.submitted.pop()
}

/// What was said of a request.
pub(crate) fn hints(shared: &Shared, task: TaskId) -> Hints {
    shared.table.get(task).map(|slot| slot.hints()).unwrap_or_default()
}

/// The next request that ended. A lost message leaves its request in the table, to be found there.
pub(crate) fn next_completion(shared: &Shared) -> Option<Completion> {
    while let Some(message) = shared.detached.pop() {
        if let Some(completion) = shared.table.retire(message.task) {
            return Some(completion);
        }
    }
    if !shared.take_detached_overflow() {
        return None;
    }
    shared.table.iter().find_map(|(task, _)| shared.table.retire(task))
}

/// Notes whether there is an agent.
pub(crate) fn note_agent(shared: &Shared, is_there: bool) {
    shared.set_mode(if is_there { Mode::Attached } else { Mode::Orphaned });
}

/// Whether the dispatcher may sleep.
pub(crate) fn is_quiet(shared: &Shared) -> bool {
    shared.submitted.is_empty() && shared.detached.is_empty()
}

/// Puts the dispatcher to sleep for `time` at most, unless there is news.
pub(crate) fn sleep(
    shared: &Shared,
    time: Duration,
    ingress: &mut impl Ingress,
    is_wanted: impl FnOnce() -> bool,
) {
    shared
        .dispatcher_bell
        .sleep(time, ingress, || is_quiet(shared) && !shared.is_stopping() && !is_wanted());
}

/// Whether the runtime stops.
pub(crate) fn is_stopping(shared: &Shared) -> bool {
    shared.is_stopping()
}
