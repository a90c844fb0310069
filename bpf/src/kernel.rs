//! What the running kernel offers: read, never guessed from its version.

use std::fs;
use std::path::Path;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::{Enum64, Func};

use crate::abi::CPUS_MAX;
use crate::error::LoadError;

/// Where the BPF file system is, on every distribution.
pub const BPFFS: &str = "/sys/fs/bpf";
const SCHED_EXT: &str = "/sys/kernel/sched_ext";

/// Functions of the kernel without which nothing works: those of 6.13.
const NEEDED: &[&str] = &[
    "scx_bpf_dsq_insert",
    "scx_bpf_dsq_move",
    "scx_bpf_dsq_move_set_slice",
    "scx_bpf_dsq_move_to_local",
    "scx_bpf_create_dsq",
    "scx_bpf_kick_cpu",
    "scx_bpf_reenqueue_local",
    "bpf_iter_scx_dsq_new",
    "bpf_iter_num_new",
    "bpf_task_from_pid",
];

/// What makes a difference between kernels that work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// A task that does not get its CPU at once is handed back (7.1).
    pub immediate: bool,
    /// A running task's slice can be changed from outside (6.19).
    pub set_slice: bool,
}

/// `uname -r`.
pub fn release() -> String {
    read_word("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned())
}

/// The state of sched_ext: `disabled`, `enabled` and kin; `None` if the kernel has none.
pub fn state() -> Option<String> {
    read_word(&format!("{SCHED_EXT}/state"))
}

/// What the active scheduler calls itself.
pub fn active() -> Option<String> {
    read_word(&format!("{SCHED_EXT}/root/ops"))
}

/// CPU numbers this machine may ever have.
pub fn possible_cpus() -> u32 {
    let list = read_word("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = list.rsplit([',', '-']).next().and_then(|last| last.parse::<u32>().ok());
    last.map_or(1, |last| last + 1)
}

/// Checks everything that can be known before the kernel is asked to load.
///
/// # Errors
/// What is in the way, and how to get it out of it.
pub fn check() -> Result<Features, LoadError> {
    match obstacles().into_iter().next() {
        Some(obstacle) => Err(obstacle),
        None => features(),
    }
}

/// Everything that is in the way of loading, in the order in which it is best removed.
pub fn obstacles() -> Vec<LoadError> {
    if state().is_none() {
        return vec![LoadError::NoSchedExt { release: release() }];
    }
    let cpus = possible_cpus();
    // SAFETY: no pointers.
    let is_root = unsafe { libc::geteuid() } == 0;
    let found = [
        (!is_root).then_some(LoadError::NotRoot),
        features().err(),
        isolated_cpus().map(|cpus| LoadError::IsolatedCpus { cpus }),
        (cpus as usize > CPUS_MAX).then_some(LoadError::TooManyCpus { cpus, max: CPUS_MAX }),
        (!is_bpffs(Path::new(BPFFS))).then_some(LoadError::NoBpffs { at: BPFFS }),
        active().map(|name| LoadError::Another { name }),
    ];
    found.into_iter().flatten().collect()
}

/// Reads the kernel's description of itself.
///
/// # Errors
/// It has none, or lacks a function everything needs.
pub fn features() -> Result<Features, LoadError> {
    let btf = Btf::from_vmlinux().map_err(|source| LoadError::Refused {
        step: "describe its types (CONFIG_DEBUG_INFO_BTF)",
        source,
    })?;
    let has = |name: &str| btf.type_by_name::<Func<'_>>(name).is_some();
    let missing: Vec<_> = NEEDED.iter().copied().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        return Err(LoadError::Lacks { release: release(), missing });
    }
    Ok(Features {
        immediate: has_value(&btf, "scx_enq_flags", "SCX_ENQ_IMMED"),
        set_slice: has("scx_bpf_task_set_slice"),
    })
}

fn has_value(btf: &Btf<'_>, name: &str, value: &str) -> bool {
    let Some(list) = btf.type_by_name::<Enum64<'_>>(name) else { return false };
    list.iter().any(|member| member.name.is_some_and(|name| name == value))
}

fn isolated_cpus() -> Option<String> {
    // Domain isolation only: `nohz` and `managed_irq` alone do not mind schedulers.
    let cpus = read_word("/sys/devices/system/cpu/isolated")?;
    (!cpus.is_empty()).then_some(cpus)
}

fn is_bpffs(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().map(Path::new) == Some(path) && words.next() == Some("bpf")
    })
}

fn read_word(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
