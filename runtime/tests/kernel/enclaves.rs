//! Enclaves: several at once, each with its CPUs, growing and shrinking while tasks run.

use std::sync::atomic::Ordering;

use revenant::backend::kernel::enclaves::{self, EnclaveError};
use revenant::cpu::{CpuId, CpuSet};
use revenant::message::MessageKind;
use revenant::task::TaskState;
use revenant::transaction::Outcome;
use revenant_bpf::abi::Commit;

use crate::guest::undisturbed;
use crate::stage::{Stage, patient};

fn cpus(list: impl IntoIterator<Item = u16>) -> CpuSet {
    list.into_iter().map(CpuId).collect()
}

#[test]
fn a_cpu_has_one_owner_who_is_named() {
    undisturbed(|| {
        let first = Stage::of(&patient([1, 2]));
        let owner = enclaves::name(&first.scheduler(), first.enclave());
        let refused = enclaves::create(&first.scheduler(), &patient([3, 2])).unwrap_err();
        assert!(refused.to_string().contains(&format!("CPU 2 belongs to enclave `{owner}`")));
        // All or none: CPU 3 is still free, and what was refused is gone.
        let second = Stage::of(&patient([3]));
        assert_eq!(enclaves::list(&first.scheduler()).len(), 2);

        let refused =
            enclaves::resize(&first.scheduler(), first.enclave(), &cpus([1, 2, 3]), &CpuSet::EMPTY);
        assert!(matches!(refused, Err(EnclaveError::Taken { cpu: CpuId(3), .. })), "{refused:?}");
        assert_eq!(enclaves::cpus(&first.scheduler(), first.enclave()), cpus([1, 2]));
        drop(second);
    });
}

#[test]
fn a_cpu_that_does_not_exist_is_said_to_and_so_is_a_name_twice() {
    undisturbed(|| {
        let stage = Stage::of(&patient([1]));
        let scheduler = stage.scheduler();
        let refused = enclaves::create(&scheduler, &patient([100])).unwrap_err();
        assert!(matches!(refused, EnclaveError::NoCpu { cpu: CpuId(100), .. }), "{refused}");
        let name = enclaves::name(&scheduler, stage.enclave());
        let twice = enclaves::Spec { name, ..patient([2]) };
        let refused = enclaves::create(&scheduler, &twice).unwrap_err();
        assert!(matches!(refused, EnclaveError::NameTaken { .. }), "{refused}");
        assert_eq!(enclaves::list(&scheduler), [stage.enclave()]);
    });
}

#[test]
fn an_enclave_grows_and_shrinks_while_tasks_run() {
    undisturbed(|| {
        let mut stage = Stage::of(&patient([1, 2]));
        let (stays, stays_spin) = stage.spinner_on(1);
        let (moves, moves_spin) = stage.spinner_on(2);
        let (scheduler, enclave) = (stage.scheduler(), stage.enclave());

        enclaves::resize(&scheduler, enclave, &CpuSet::EMPTY, &cpus([2])).expect("it is ours");
        stage.hear_of(moves, MessageKind::TaskPreempted);
        let transaction = stage.open(moves, 2);
        assert_eq!(stage.commit(transaction), Outcome::InvalidCpu);
        assert_eq!(stage.status(stays).map(|status| status.state), Some(TaskState::OnCpu));
        stays_spin.wait_for_progress();

        enclaves::resize(&scheduler, enclave, &cpus([3]), &CpuSet::EMPTY).expect("it is free");
        stage.run_on(moves, 3);
        moves_spin.wait_for_progress();
        assert_eq!(enclaves::cpus(&scheduler, enclave), cpus([1, 3]));
    });
}

#[test]
fn enclaves_side_by_side_do_not_meet() {
    undisturbed(|| {
        let mut first = Stage::of(&patient([1]));
        let mut second = Stage::of(&patient([2]));
        let (one, one_spin) = first.spinner_on(1);
        let (two, two_spin) = second.spinner_on(2);
        one_spin.wait_for_progress();
        two_spin.wait_for_progress();
        assert!(first.kinds_of(two).is_empty() && second.kinds_of(one).is_empty());
        drop(first);
        assert_eq!(second.status(two).map(|status| status.state), Some(TaskState::OnCpu));
        two_spin.wait_for_progress();
    });
}

#[test]
fn only_an_enclaves_agent_commits() {
    undisturbed(|| {
        let attended = Stage::of(&patient([1]));
        let unattended = Stage::unattended(&patient([2]), 64);
        let errno = |stage: &Stage| {
            let mut commit = Commit { enclave: stage.enclave(), ..Commit::default() };
            stage.scheduler().commit(&mut commit).map_or_else(|error| error.errno(), |()| 0)
        };
        assert_eq!((errno(&attended), errno(&unattended)), (0, libc::EPERM));
        let second = attended.scheduler().attach_agent(attended.enclave(), None);
        assert!(second.is_ok(), "another thread of the same process may be an agent, too");

        // Another process is not.
        let before = attended.record().agent_tgid.swap(1, Ordering::SeqCst);
        assert_eq!(errno(&attended), libc::EPERM);
        let busy = attended.scheduler().attach_agent(attended.enclave(), None);
        assert_eq!(busy.map_err(|error| error.errno()), Err(libc::EBUSY));
        attended.record().agent_tgid.store(before, Ordering::SeqCst);
    });
}
