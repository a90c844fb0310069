//! Facts of this machine, as /proc and /sys tell them; what cannot be read is `None`.

use std::fs;

use revenant::cpu::CpuSet;

/// CPUs this process may use.
pub(crate) fn allowed_cpus() -> Option<CpuSet> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    CpuSet::parse(list).ok()
}

/// CPUs that are switched on.
#[cfg(feature = "kernel")]
pub(crate) fn online_cpus() -> Option<CpuSet> {
    CpuSet::parse(&fs::read_to_string("/sys/devices/system/cpu/online").ok()?).ok()
}

/// `uname -r`.
pub(crate) fn release() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

/// Whether the kernel was built with sched_ext.
#[cfg(not(feature = "kernel"))]
pub(crate) fn has_sched_ext() -> bool {
    fs::exists("/sys/kernel/sched_ext/state").unwrap_or(false)
}

/// What is missing for `revenant trace`.
#[cfg(feature = "kernel")]
pub(crate) fn tracing() -> Option<String> {
    use crate::kernel::TRACEFS;
    let is_there = fs::exists(format!("{TRACEFS}/instances")).unwrap_or(false);
    (!is_there).then(|| {
        format!("no tracefs at {TRACEFS}, or not for this user: `revenant trace` needs `mount -t tracefs tracefs {TRACEFS}`, as root")
    })
}
