//! Sizes and offsets, checked when this is compiled.

use super::{
    Attach, Channel, Commit, Cpu, Enclave, Hint, Join, Machine, Message, Named, Offer, Offers,
    Resize, Route, StatusWord, Timer, Transaction,
};

/// The same numbers stand in `bpf/abi_check.h`.
macro_rules! layout {
    ($($type:ident: $size:literal { $($field:ident: $offset:literal),* $(,)? })*) => {
        $(const _: () = {
            assert!(size_of::<$type>() == $size);
            $(assert!(std::mem::offset_of!($type, $field) == $offset);)*
        };)*
    };
}

layout! {
    Message: 32 { cpu: 2, seq: 4, task: 8, time_ns: 16, runtime_ns: 24 }
    StatusWord: 64 { task: 8, seq_state_cpu: 16, runtime_ns: 24, since_ns: 32, tid: 40, tgid: 44, enclave: 48, weight: 52, channel: 56 }
    Channel: 64 { lost: 8, read: 16, capacity: 24, wakes: 28 }
    Transaction: 32 { slice_ns: 8, seq: 16, cpu: 20, flags: 22, outcome: 23 }
    Enclave: 576 { flags: 4, agent_tgid: 12, heartbeat_ns: 16, orphan_limit_ns: 40, watchdog_ns: 48, tasks: 56, steps_down: 60, reason: 64, reason_ns: 72, messages: 80, fast_path_runs: 96, outcomes: 104, created_ns: 200, blackout_ns: 208, turns: 216, agent_cpu: 232, delays: 256, name: 512, policy: 544 }
    Cpu: 128 { current: 8, latched: 16, is_busy: 24, is_busy_told: 28, agent_tid: 32, is_wanted: 36, is_armed: 40, latch_slice_ns: 48, busy_times: 56 }
    Offer: 24 { slice_ns: 8, seq: 16 }
    Offers: 6272 { tail: 64, ring: 128 }
    Hint: 32 { deadline_ns: 8, class: 16, tier: 18, weight: 20 }
    Machine: 264 { cpus: 4, has_immediate: 8, exit_kind: 12, watchdog_ticks: 24, slots_used: 48, slots_max: 56, strays_now: 64, exit_reason: 72, exit_message: 136 }
    Commit: 40 { is_all_or_none: 8, seq_read: 16, local_cpu: 24, first: 28, result: 32 }
    Join: 24 { task: 8, result: 16 }
    Attach: 16 { cpu: 8, result: 12 }
    Resize: 144 { cpu: 4, claim: 8, release: 72, result: 136 }
    Route: 24 { enclave: 8, seq: 12, channel: 16, result: 20 }
    Named: 8 { result: 4 }
    Timer: 24 { after_ns: 8, result: 16 }
}
