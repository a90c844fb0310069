//! The contract of backends, as behaviour: the same bodies run on every backend.
//!
//! A body is generic over [`World`]; a backend joins by implementing that trait in a file of its own
//! and adding one line at the end of this one.

#[path = "conformance/commit.rs"]
mod commit;
#[cfg(feature = "kernel")]
#[path = "kernel/guest.rs"]
mod guest;
#[cfg(feature = "kernel")]
#[path = "conformance/kernel.rs"]
mod kernel;
#[path = "conformance/messages.rs"]
mod messages;
#[path = "conformance/overflow.rs"]
mod overflow;
#[path = "conformance/sim.rs"]
mod sim;
#[path = "conformance/threads.rs"]
mod threads;
#[path = "conformance/world.rs"]
mod world;

/// The bodies as tests of one backend.
macro_rules! conformance {
    ($arm:ident, $world:ty: $($file:ident::$body:ident),+ $(,)?) => {
        mod $arm {
            $(#[test]
            fn $body() {
                <$world as crate::world::World>::hold_to(crate::$file::$body::<$world>);
            })+
        }
    };
}

/// Every body, for one backend.
macro_rules! conformance_of {
    ($arm:ident, $world:ty) => {
        conformance!($arm, $world:
            messages::the_first_message_is_task_new_and_the_last_task_dead,
            messages::sequence_numbers_have_no_gaps,
            messages::a_status_word_has_the_number_of_the_last_message,
            messages::a_status_word_is_published_before_its_message,
            messages::without_transactions_nothing_starts,
            messages::a_stint_is_counted_in_the_runtime,
            commit::a_committed_task_runs,
            commit::a_commit_to_a_cpu_that_runs_preempts,
            commit::a_stale_transaction_changes_nothing,
            commit::idle_only_on_an_occupied_cpu_is_agent_stale,
            commit::an_old_generation_is_not_found,
            commit::a_blocked_task_is_not_runnable,
            commit::a_running_task_is_on_cpu,
            commit::a_cpu_outside_the_enclave_is_invalid,
            commit::an_all_or_none_batch_aborts_together,
            overflow::a_full_channel_and_a_rescan_lose_nothing,
            overflow::a_task_that_dies_unread_is_forgotten_by_the_rescan,
        );
    };
}

conformance_of!(on_sim, crate::sim::SimWorld);
conformance_of!(on_threads, crate::threads::ThreadsWorld);
#[cfg(feature = "kernel")]
conformance_of!(on_kernel, crate::kernel::KernelWorld);
