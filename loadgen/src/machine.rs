//! The machine that results were measured on: what a reader needs to judge or repeat them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// Facts from /proc and /sys; what cannot be read is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Version of this program.
    pub version: String,
    /// Model name of the CPU.
    pub cpu_model: Option<String>,
    /// CPUs that are online.
    pub cpus_online: Option<u32>,
    /// CPUs this process may use, as the kernel lists them (`0-1,4`).
    pub affinity: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Preemption model of the kernel: none, voluntary, full, lazy, rt or dynamic.
    pub preemption: Option<String>,
    /// Timer ticks a second.
    pub hz: Option<u32>,
    /// Frequency governor of CPU 0.
    pub governor: Option<String>,
    /// Whether a hypervisor is underneath.
    pub virtualised: Option<bool>,
    /// Transparent huge pages: always, madvise or never.
    pub transparent_hugepages: Option<String>,
    /// Memory.
    pub memory_mib: Option<u64>,
    /// Clock source of the kernel.
    pub clocksource: Option<String>,
}

impl Machine {
    /// Reads the machine this runs on.
    #[must_use]
    pub fn read() -> Self {
        Self::read_under(Path::new("/"))
    }

    /// The same under another root, so that tests can lay out a machine.
    fn read_under(root: &Path) -> Self {
        let files = Files { root };
        let cpuinfo = files.text("proc/cpuinfo").unwrap_or_default();
        let kernel = files.line("proc/sys/kernel/osrelease");
        let config = kernel.as_deref().and_then(|release| files.kernel_config(release));
        let config = config.unwrap_or_default();
        let thp = files.line("sys/kernel/mm/transparent_hugepage/enabled");
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cpu_model: field(&cpuinfo, "model name").map(str::to_owned),
            cpus_online: files.line("sys/devices/system/cpu/online").and_then(|l| count_cpus(&l)),
            affinity: files
                .text("proc/self/status")
                .and_then(|status| field(&status, "Cpus_allowed_list").map(str::to_owned)),
            preemption: preemption(&files, &config),
            hz: config.lines().find_map(|line| line.strip_prefix("CONFIG_HZ=")?.parse().ok()),
            governor: files.line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            virtualised: virtualised(&files, &cpuinfo),
            transparent_hugepages: thp.as_deref().and_then(chosen).map(str::to_owned),
            memory_mib: files.text("proc/meminfo").and_then(|meminfo| {
                let kib = field(&meminfo, "MemTotal")?.strip_suffix(" kB")?.parse::<u64>().ok()?;
                Some(kib / 1024)
            }),
            clocksource: files
                .line("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            kernel,
        }
    }
}

impl fmt::Display for Machine {
    /// One line; what is not known is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = [
            self.cpu_model.clone(),
            self.cpus_online.map(|cpus| format!("{cpus} CPUs online")),
            self.affinity.as_ref().map(|list| format!("may use {list}")),
            self.memory_mib.map(|mib| format!("{:.1} GiB", mib as f64 / 1024.0)),
            self.virtualised.map(|it| (if it { "virtual machine" } else { "bare metal" }).into()),
            self.kernel.as_ref().map(|release| format!("Linux {release}")),
            self.preemption.as_ref().map(|model| format!("preemption {model}")),
            self.hz.map(|hz| format!("{hz} Hz")),
            self.governor.as_ref().map(|governor| format!("governor {governor}")),
            self.transparent_hugepages.as_ref().map(|mode| format!("huge pages {mode}")),
            self.clocksource.as_ref().map(|source| format!("clock {source}")),
            Some(format!("revenant {}", self.version)),
        ];
        f.write_str(&facts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// The files of a machine.
struct Files<'a> {
    root: &'a Path,
}

impl Files<'_> {
    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    fn line(&self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        let line = text.lines().next()?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// The kernel's build configuration, from where distributions put it or from the kernel itself;
    /// the latter is compressed, and one optional fact is not worth a decompressor of our own.
    fn kernel_config(&self, release: &str) -> Option<String> {
        if let Some(config) = self.text(&format!("boot/config-{release}")) {
            return Some(config);
        }
        let compressed = self.path("proc/config.gz");
        if !compressed.exists() {
            return None;
        }
        let output = Command::new("gzip")
            .arg("-dc")
            .arg(compressed)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The value of the first `name : value` line, as /proc writes them.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name && !value.trim().is_empty()).then(|| value.trim())
    })
}

/// The choice in brackets (`always [madvise] never`) or parentheses (`none (full)`).
fn chosen(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(['[', '('])?.strip_suffix([']', ')']))
}

/// How many CPUs a kernel list (`0-3,8`) names.
fn count_cpus(list: &str) -> Option<u32> {
    list.split(',')
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
            last.checked_sub(first)?.checked_add(1)
        })
        .sum()
}

/// The running choice where debugfs shows it, else what the kernel was built as. A dynamic kernel
/// that hides its choice is called dynamic: a guess would be worse.
fn preemption(files: &Files<'_>, config: &str) -> Option<String> {
    let running = files.line("sys/kernel/debug/sched/preempt");
    if let Some(model) = running.as_deref().and_then(chosen) {
        return Some(model.to_owned());
    }
    let version = files.line("proc/sys/kernel/version").unwrap_or_default();
    let built = [
        ("PREEMPT_RT", "rt"),
        ("PREEMPT_DYNAMIC", "dynamic"),
        ("PREEMPT_LAZY", "lazy"),
        ("PREEMPT_VOLUNTARY", "voluntary"),
        ("PREEMPT_NONE", "none"),
        ("PREEMPT", "full"),
    ];
    built.into_iter().find_map(|(option, model)| {
        let in_version = version.split_whitespace().any(|word| word == option);
        let in_config =
            config.lines().any(|line| line.strip_prefix("CONFIG_") == Some(&format!("{option}=y")));
        (in_version || in_config).then(|| model.to_owned())
    })
}

fn virtualised(files: &Files<'_>, cpuinfo: &str) -> Option<bool> {
    if files.line("sys/hypervisor/type").is_some() {
        return Some(true);
    }
    // Only x86 says so in its flags; elsewhere silence means nothing.
    let flags = field(cpuinfo, "flags")?;
    Some(flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_machine_laid_out_as_files() {
        let root = std::env::temp_dir().join(format!("revenant-machine-{}", std::process::id()));
        let files = [
            ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU\nflags\t\t: fpu hypervisor\n"),
            ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-1,3\n"),
            ("proc/meminfo", "MemTotal:        4194304 kB\n"),
            ("proc/sys/kernel/osrelease", "6.12.1\n"),
            ("proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC today\n"),
            ("boot/config-6.12.1", "CONFIG_HZ_250=y\nCONFIG_HZ=250\nCONFIG_PREEMPT=y\n"),
            ("sys/devices/system/cpu/online", "0-3\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
        ];
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::read_under(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(machine.cpu_model.as_deref(), Some("Test CPU"));
        assert_eq!((machine.cpus_online, machine.hz), (Some(4), Some(250)));
        assert_eq!(machine.affinity.as_deref(), Some("0-1,3"));
        assert_eq!(machine.preemption.as_deref(), Some("dynamic"));
        assert_eq!((machine.virtualised, machine.memory_mib), (Some(true), Some(4096)));
        assert_eq!((machine.governor.as_ref(), machine.clocksource.as_ref()), (None, None));
        let line = machine.to_string();
        assert!(line.starts_with("Test CPU, 4 CPUs online, may use 0-1,3, 4.0 GiB"), "{line}");
        assert!(!line.contains('\n') && !line.contains("governor"), "{line}");
    }

    #[test]
    fn a_machine_that_tells_nothing_is_no_error() {
        let machine = Machine::read_under(Path::new("/nowhere/at/all"));
        let expected = Machine { version: machine.version.clone(), ..Machine::default() };
        assert_eq!(machine, expected);
        assert!(machine.to_string().starts_with("revenant "));
    }

    #[test]
    fn this_machine_has_a_kernel_and_cpus() {
        let machine = Machine::read();
        assert!(machine.kernel.is_some() && machine.affinity.is_some(), "{machine:?}");
    }

    #[test]
    fn kernel_lists_are_counted() {
        assert_eq!(count_cpus("0"), Some(1));
        assert_eq!(count_cpus("0-3,8,10-11"), Some(7));
        assert_eq!(count_cpus("3-0"), None);
        assert_eq!(count_cpus("cpus"), None);
    }
}
