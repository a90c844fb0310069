//! The command `list`: all names there are.

use std::fmt::Write as _;

use revenant::policy::PolicyKind;
use revenant_bench::system;
use revenant_loadgen::PRESETS;

/// All names there are, a line each.
pub(crate) fn list() -> String {
    let mut text = String::from("Workloads (compare --workload):\n");
    for preset in PRESETS {
        line(&mut text, preset.name, preset.about);
    }
    line(&mut text, "SHARE:TIME,...", "a mix of your own, as in 99.5:10us,0.5:10ms");
    text += "\nSystems (compare --systems):\n";
    for system in system::ALL {
        line(&mut text, system.name(), system.about());
        if let Err(reason) = system.available() {
            line(&mut text, "", &format!("skipped here: {reason}"));
        }
    }
    text += "\nPolicies (simulate --policy):\n";
    for kind in PolicyKind::ALL {
        line(&mut text, kind.name(), about(kind));
    }
    text
}

fn line(text: &mut String, name: &str, about: &str) {
    let _ = writeln!(text, "  {name:<18} {about}");
}

fn about(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::FifoPerCpu => "a queue per CPU, run to completion",
        PolicyKind::Fifo => "one queue, run to completion",
        PolicyKind::Shinjuku => "one queue, preempted to its tail after a quantum of 30 us",
        PolicyKind::TwoQueue => {
            "fresh requests first; what ran long is demoted and makes way at once"
        }
    }
}
