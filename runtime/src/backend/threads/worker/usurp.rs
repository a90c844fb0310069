//! Taking a CPU from a worker that is blocked in the kernel, by whoever noticed: the CPU's sentinel, or
//! the dispatcher where that gets no turn.

use super::*;
use crate::backend::threads::ownership::{Owner, USURPER};
use crate::task::Seq;

/// `owner` is blocked and a command waits: takes the CPU and passes it on. The blocked worker is
/// detached from here on; it learns so when it next looks. Returns whether there was an idle worker
/// to pass it to, and the owner still blocked.
pub(in crate::backend::threads) fn usurp(shared: &Shared, lane: &Lane, owner: Owner) -> bool {
    let blocked = shared.worker(owner.worker);
    let task = blocked.task();
    let slot = shared.table.get(task);
    let seq = slot.and_then(|slot| slot.status.read()).map(|(_, status)| status.seq);
    // Only this CPU's owner takes idle workers, so one seen now is still there after the usurpation.
    if lane.idle_count() == 0 {
        return false;
    }
    let Some(mut switch) = lane.usurp(owner, USURPER) else { return false };
    count(&shared.counters.usurped_while_blocked);
    if let Some(seq) = seq {
        note_blocked(shared, &mut switch, task, seq);
    }
    let next = match lane.mailbox.read(switch.epoch) {
        Some(Mail { epoch, command: Command::Run(next) }) => {
            switch.epoch = epoch;
            Some(next)
        }
        _ => None,
    };
    let heir = next.and_then(|next| {
        let heir = claim_heir(shared, &mut switch, next);
        if heir.is_none() {
            refuse(shared, &mut switch, next);
        }
        heir
    });
    let heir = heir.or_else(|| claim_idle(shared, &mut switch));
    hand_over(shared, switch, heir.expect("an idle worker was there before the usurpation"));
    true
}

/// Tells that the task is blocked, unless the dispatcher noticed before, or the task moved on since
/// it had sequence number `seq`.
fn note_blocked(shared: &Shared, switch: &mut Switch<'_>, task: TaskId, seq: Seq) {
    let now_ns = now_ns();
    tell(shared, switch, task, (MessageKind::TaskBlocked, now_ns), |status| {
        let is_as_seen = status.seq == seq && status.state == TaskState::OnCpu;
        is_as_seen.then(|| after_stint(status, TaskState::Blocked, now_ns))
    });
}
