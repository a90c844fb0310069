//! A quantum: how long a task may run while others wait.

use std::ops::ControlFlow;

use crate::cpu::CpuId;
use crate::enclave::Enclave;
use crate::task::Task;

/// Finds the running tasks that used up their quantum, and when the next one will.
///
/// Most turns come too early for any of them: a lower bound of the next expiry answers those with
/// one comparison. A task that begins a whole quantum after a sweep cannot expire before the bound
/// that sweep found; one that goes on with a part must be [announced](Self::resume).
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantum {
    length_ns: u64,
    /// No running task's quantum ends before this.
    next_expiry_ns: u64,
}

impl Quantum {
    pub(super) const fn new(length_ns: u64) -> Self {
        Self { length_ns, next_expiry_ns: 0 }
    }

    pub(super) const fn length_ns(&self) -> u64 {
        self.length_ns
    }

    /// Forgets the bound: an expired task was not replaced after all.
    pub(super) fn recheck(&mut self) {
        self.next_expiry_ns = 0;
    }

    /// A task begins to run with `left_ns` of its quantum.
    pub(super) fn resume(&mut self, now_ns: u64, left_ns: u64) {
        self.next_expiry_ns = self.next_expiry_ns.min(now_ns.saturating_add(left_ns));
    }

    /// Offers every running task whose quantum is over to `replace`, which breaks when nobody waits
    /// any more. `used_ns` is what a task used of it before its present stint, `None` if the quantum
    /// is not for this task. Returns when the next one expires.
    pub(super) fn sweep(
        &mut self,
        now_ns: u64,
        enclave: &Enclave,
        used_ns: impl Fn(&Task) -> Option<u64>,
        mut replace: impl FnMut(CpuId, &Task) -> ControlFlow<()>,
    ) -> u64 {
        if now_ns < self.next_expiry_ns {
            return self.next_expiry_ns;
        }
        let mut next_ns = now_ns.saturating_add(self.length_ns);
        for (cpu, task) in enclave.running() {
            let Some(used_ns) = used_ns(task) else { continue };
            let left_ns = self.length_ns.saturating_sub(used_ns);
            let expiry_ns = enclave.cpu(cpu).since_ns.saturating_add(left_ns);
            if expiry_ns > now_ns {
                next_ns = next_ns.min(expiry_ns);
            } else if replace(cpu, task).is_break() {
                // Somebody is past the end already: the next sweep must look again.
                next_ns = now_ns;
                break;
            }
        }
        self.next_expiry_ns = next_ns;
        next_ns
    }
}
