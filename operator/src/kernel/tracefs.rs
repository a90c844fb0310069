//! An instance of tracefs of our own: other users of tracing notice nothing of it, and it goes with
//! the command that made it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use revenant::cpu::{CPUS_MAX, CpuSet};

use super::process::Process;
use crate::failure::Failure;

/// Where tracefs is, on every distribution.
pub(crate) const TRACEFS: &str = "/sys/kernel/tracing";
/// Instances of ours are called this and the process's number.
const PREFIX: &str = "revenant-";
/// What is recorded.
const EVENTS: [&str; 3] = ["sched_switch", "sched_wakeup", "sched_wakeup_new"];
/// Memory of one CPU's buffer at most: a second of 100 000 switches and as many wake-ups.
const CPU_KIB_MAX: usize = 16 * 1024;
/// Memory of all buffers at most.
const ALL_KIB_MAX: usize = 256 * 1024;
/// Bits of a group in the kernel's masks.
const GROUP_BITS: usize = 32;

/// A tracefs instance, removed when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    folder: PathBuf,
}

impl Instance {
    /// Makes an instance that will record the scheduling of `cpus`.
    pub(crate) fn make(cpus: &CpuSet) -> Result<Self, Failure> {
        let instances = Path::new(TRACEFS).join("instances");
        if !instances.exists() {
            return Err(Failure::Cannot(anyhow!(
                "there is no tracefs at {TRACEFS}: mount -t tracefs tracefs {TRACEFS}"
            )));
        }
        let folder = instances.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| {
            Failure::Cannot(anyhow!(
                "no instance of tracefs could be made at {}: {error}",
                folder.display()
            ))
        })?;
        let instance = Self { folder };
        let prepared = instance.prepare(cpus);
        prepared.map_err(|error| Failure::Failed(anyhow!("tracefs: {error}")))?;
        Ok(instance)
    }

    fn prepare(&self, cpus: &CpuSet) -> io::Result<()> {
        self.write("tracing_on", "0")?;
        // The clock of the kernel half's time stamps.
        self.write("trace_clock", "mono")?;
        self.write("tracing_cpumask", &mask(cpus))?;
        let kib = CPU_KIB_MAX.min(ALL_KIB_MAX / cpus.len().max(1)).to_string();
        for cpu in cpus.iter() {
            self.write(&format!("per_cpu/cpu{cpu}/buffer_size_kb"), &kib)?;
        }
        for event in EVENTS {
            self.write(&format!("events/sched/{event}/enable"), "1")?;
        }
        Ok(())
    }

    /// Begins or ends the recording.
    pub(crate) fn record(&self, records: bool) -> Result<(), Failure> {
        let written = self.write("tracing_on", if records { "1" } else { "0" });
        written.map_err(|error| Failure::Failed(anyhow!("tracefs: {error}")))
    }

    /// What was recorded, as text.
    pub(crate) fn text(&self) -> Result<File, Failure> {
        let opened = File::open(self.folder.join("trace"));
        opened.map_err(|error| Failure::Failed(anyhow!("tracefs: trace: {error}")))
    }

    /// Events of these CPUs that had no room.
    pub(crate) fn lost(&self, cpus: &CpuSet) -> u64 {
        let stats = cpus.iter().map(|cpu| {
            let path = self.folder.join(format!("per_cpu/cpu{cpu}/stats"));
            fs::read_to_string(path).unwrap_or_default()
        });
        stats.map(|stats| lost_of(&stats)).sum()
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(file), text)
            .map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    // Its files are the kernel's: they go with the folder.
    if let Err(error) = fs::remove_dir(folder) {
        eprintln!("revenant: {} cannot be removed: {error}", folder.display());
    }
}

/// Removes instances whose command was killed.
pub(crate) fn remove_stale() {
    let Ok(entries) = fs::read_dir(Path::new(TRACEFS).join("instances")) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| Process::open(pid).is_none()) {
            remove(&entry.path());
            eprintln!("revenant: removed the tracefs instance that process {name} had left");
        }
    }
}

/// CPUs as tracefs takes them: groups of 32 bits in hexadecimal, the highest first.
fn mask(cpus: &CpuSet) -> String {
    let mut groups = [0_u32; CPUS_MAX / GROUP_BITS];
    cpus.iter().for_each(|cpu| groups[cpu.index() / GROUP_BITS] |= 1 << (cpu.index() % GROUP_BITS));
    // The kernel refuses more groups than it has CPUs for.
    let used = groups.iter().rposition(|group| *group != 0).unwrap_or(0);
    let words: Vec<String> =
        groups[..=used].iter().rev().map(|group| format!("{group:08x}")).collect();
    words.join(",")
}

fn lost_of(stats: &str) -> u64 {
    let is_loss = |name: &str| matches!(name.trim(), "overrun" | "dropped events");
    let counts = stats.lines().filter_map(|line| line.split_once(':'));
    let losses = counts.filter(|(name, _)| is_loss(name));
    losses.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_the_kernel_s() {
        assert_eq!(mask(&CpuSet::parse("1-3").unwrap()), "0000000e");
        assert_eq!(mask(&CpuSet::parse("0,33").unwrap()), "00000002,00000001");
    }

    #[test]
    fn losses_of_both_kinds_count() {
        let stats =
            "entries: 5\noverrun: 2\ncommit overrun: 9\ndropped events: 3\nread events: 4\n";
        assert_eq!(lost_of(stats), 5);
    }
}
