//! The minimum share: tasks that others go before must not starve behind an endless stream of them.

use crate::cpu::CpuId;
use crate::enclave::Enclave;
use crate::task::TaskId;

/// How far back service counts. Halved, bursts of preferred tasks of a few ms would be interrupted;
/// doubled, a starving task would wait that much longer for its first slice.
const WINDOW_NS: u64 = 10_000_000;

/// What a grant is worth. A preferred task can wait this long for a CPU that was granted.
const SLICE_NS: u64 = 500_000;

/// An account of the CPU time that those who come last are owed while they wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    /// CPUs' worth of time owed: the share of all the enclave's CPUs.
    rate: f64,
    owed_ns: f64,
    counted_until_ns: u64,
    /// By CPU number.
    grants: Vec<Option<Grant>>,
    grants_open: usize,
}

/// A slice that preferred tasks must wait for.
#[derive(Clone, Copy, Debug)]
struct Grant {
    task: TaskId,
    until_ns: u64,
}

impl Share {
    /// Starts an account over `share` of the time of all of `enclave`'s CPUs.
    pub(super) fn attach(&mut self, share: f64, enclave: &Enclave) {
        let cpus = enclave.cpus();
        self.rate = share * cpus.len() as f64;
        self.owed_ns = 0.0;
        self.grants_open = 0;
        self.grants.clear();
        self.grants.resize(cpus.last().map_or(0, |cpu| cpu.index() + 1), None);
    }

    /// Time passed, how much is returned; it is owed for only if somebody waited, or would have
    /// without a grant.
    pub(super) fn advance(&mut self, now_ns: u64, somebody_waits: bool) -> u64 {
        let elapsed_ns = now_ns.saturating_sub(self.counted_until_ns);
        self.counted_until_ns = now_ns;
        if somebody_waits || self.grants_open > 0 {
            self.owed_ns += elapsed_ns as f64 * self.rate;
        }
        self.clamp();
        elapsed_ns
    }

    /// Those it is about received CPU time.
    pub(super) fn received(&mut self, service_ns: u64) {
        self.owed_ns -= service_ns as f64;
        self.clamp();
    }

    /// Grants `task` a slice on `cpu`. It counts as received until the task's stint ends.
    pub(super) fn grant(&mut self, now_ns: u64, cpu: CpuId, task: TaskId) {
        self.grants_open += 1;
        self.grants[cpu.index()] = Some(Grant { task, until_ns: now_ns + SLICE_NS });
        self.owed_ns -= SLICE_NS as f64;
    }

    /// Until when preferred tasks must leave `task` alone on `cpu`; 0 if they need not.
    pub(super) fn granted_until_ns(&self, cpu: CpuId, task: TaskId) -> u64 {
        self.grants[cpu.index()].filter(|grant| grant.task == task).map_or(0, |g| g.until_ns)
    }

    /// The task lost `cpu`, or never got it: with that its grant ends, if it had one.
    pub(super) fn end_grant(&mut self, cpu: CpuId, task: TaskId) {
        let grant = &mut self.grants[cpu.index()];
        if grant.is_some_and(|grant| grant.task == task) {
            *grant = None;
            self.grants_open -= 1;
            self.owed_ns += SLICE_NS as f64;
        }
    }

    /// Who has a slice on `cpu`, and until when.
    pub(super) fn granted(&self, cpu: CpuId) -> Option<(TaskId, u64)> {
        self.grants[cpu.index()].map(|grant| (grant.task, grant.until_ns))
    }

    /// When a slice is owed if nothing is received until then; `now_ns` if it is already, `None` if
    /// it never will be.
    pub(super) fn owed_at_ns(&self, now_ns: u64) -> Option<u64> {
        let missing_ns = (SLICE_NS as f64 - self.owed_ns).max(0.0);
        (self.rate > 0.0).then(|| now_ns + (missing_ns / self.rate).ceil() as u64)
    }

    /// Whether a slice is owed, when `running_ns` of service is under way and not yet counted.
    pub(super) fn owes_slice(&self, running_ns: impl FnOnce() -> u64) -> bool {
        let slice_ns = SLICE_NS as f64;
        self.owed_ns >= slice_ns && self.owed_ns - running_ns() as f64 >= slice_ns
    }

    /// Neither old debts nor old riches count for longer than the window.
    fn clamp(&mut self) {
        let most_ns = (self.rate * WINDOW_NS as f64).max(SLICE_NS as f64);
        self.owed_ns = self.owed_ns.clamp(-most_ns, most_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    fn starving() -> Share {
        let mut share = Share::default();
        share.attach(0.05, &Enclave::new(Topology::flat(1), 1));
        share
    }

    #[test]
    fn a_slice_is_owed_after_starving_for_the_window() {
        let mut share = starving();
        assert_eq!(share.owed_at_ns(0), Some(WINDOW_NS));
        share.advance(WINDOW_NS - 1_000, true);
        assert!(!share.owes_slice(|| 0));
        share.advance(WINDOW_NS, true);
        assert!(share.owes_slice(|| 0));
        assert_eq!(share.owed_at_ns(WINDOW_NS), Some(WINDOW_NS));
        assert!(!share.owes_slice(|| 1), "what runs already counts");
        share.received(SLICE_NS);
        assert!(!share.owes_slice(|| 0));
    }

    #[test]
    fn nothing_is_owed_while_nobody_waits() {
        let mut share = starving();
        share.advance(1_000 * WINDOW_NS, false);
        assert!(!share.owes_slice(|| 0));
    }
}
