//! Loading: what is in the way is said in one line, with its cure.

use std::sync::atomic::Ordering;

use revenant_bpf::{LoadError, Scheduler, abi, kernel};

use crate::guest::{self, undisturbed};
use crate::roles;

#[test]
fn a_second_scheduler_is_refused_and_the_first_stays() {
    undisturbed(|| {
        let scheduler = guest::scheduler();
        assert!(roles::play("second loader").success());
        assert!(scheduler.exit().is_none());
        assert_eq!(kernel::state().as_deref(), Some("enabled"));
        assert!(Scheduler::open().is_ok());
        let version = scheduler.machine().abi_version.load(Ordering::SeqCst);
        assert_eq!(version, abi::ABI_VERSION);
    });
}

#[test]
fn another_build_is_told_apart() {
    undisturbed(|| {
        let scheduler = guest::scheduler();
        let version = &scheduler.machine().abi_version;
        version.store(abi::ABI_VERSION + 1, Ordering::SeqCst);
        let refused = Scheduler::open();
        version.store(abi::ABI_VERSION, Ordering::SeqCst);
        let refused = refused.expect_err("it speaks another language").to_string();
        assert!(refused.contains(&format!("ABI {}", abi::ABI_VERSION + 1)), "{refused}");
    });
}

#[test]
fn only_root_loads() {
    undisturbed(|| assert!(roles::play("nobody").success()));
}

#[test]
fn every_refusal_is_one_line() {
    let refusals = [
        LoadError::NoSchedExt { release: kernel::release() },
        LoadError::Lacks { release: kernel::release(), missing: vec!["scx_bpf_dsq_move"] },
        LoadError::Another { name: "other".to_owned() },
        LoadError::NotRoot,
        LoadError::IsolatedCpus { cpus: "1".to_owned() },
        LoadError::NoBpffs { at: kernel::BPFFS },
        LoadError::TooManyCpus { cpus: 1024, max: abi::CPUS_MAX },
    ];
    for refusal in refusals {
        assert_eq!(refusal.to_string().lines().count(), 1, "{refusal}");
    }
}

/// In the guest of a suite of its own, which was booted with `isolcpus=1`; not to be seen elsewhere.
#[test]
fn isolated_cpus_are_named() {
    let isolated = std::fs::read_to_string("/sys/devices/system/cpu/isolated").unwrap_or_default();
    if isolated.trim().is_empty() {
        return;
    }
    let refused = revenant_bpf::load().expect_err("the kernel would refuse it");
    assert!(refused.to_string().contains("isolcpus=1"), "{refused}");
}
