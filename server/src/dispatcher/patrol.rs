//! Looks at every connection now and then, for those whose patience is over.

use super::desk::Desk;
use crate::transport::Key;

/// Time between two steps.
const STEP_NS: u64 = 1_000_000;

/// Connections a step looks at: ten thousand in a fifth of a second, for some microseconds a step.
const STEP_CONNECTIONS: usize = 64;

/// Steps made up for at once, after a sleep.
const STEPS_MAX: u64 = 16;

/// How far the round is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patrol {
    next: usize,
    looked_ns: u64,
}

impl Desk {
    /// Goes on with the round, if it is time. Returns whether it was.
    pub(super) fn patrol(&mut self) -> bool {
        let now_ns = self.now_ns;
        let steps = (now_ns.saturating_sub(self.patrol.looked_ns) / STEP_NS).min(STEPS_MAX);
        if steps == 0 {
            return false;
        }
        self.patrol.looked_ns = now_ns;
        self.show_windows();
        let looks = (steps as usize * STEP_CONNECTIONS).min(self.connections.len());
        for _ in 0..looks {
            self.patrol.next = (self.patrol.next + 1) % self.connections.len();
            self.look_at(Key(self.patrol.next as u32));
        }
        true
    }

    fn look_at(&mut self, key: Key) {
        let (now_ns, allowance) = (self.now_ns, self.settings.allowance);
        let Some(connection) = self.connection(key) else { return };
        if let Some(ending) = connection.overdue(now_ns, &allowance) {
            connection.cut(ending);
            self.mark(key);
        }
    }
}
