//! The command `doctor`: what this machine can do, per backend, with reasons and cures.

mod machine;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::{BackendChoice, CANNOT, Doctor};
use crate::failure::Failure;

/// A backend on this machine.
#[derive(Debug)]
struct Finding {
    backend: &'static str,
    purpose: &'static str,
    /// What is so.
    facts: Vec<String>,
    /// What is in the way, and how to get it out of it.
    obstacles: Vec<String>,
}

/// Examines the backends and prints what was found.
pub(crate) fn doctor(options: &Doctor, json: bool) -> Result<u8, Failure> {
    #[cfg(feature = "kernel")]
    crate::kernel::clean_if_root();
    let all = [
        (BackendChoice::Sim, sim as fn() -> Finding),
        (BackendChoice::Threads, threads),
        (BackendChoice::Kernel, kernel),
    ];
    let asked = all.into_iter().filter(|(one, _)| options.backend.is_none_or(|only| only == *one));
    let findings: Vec<Finding> = asked.map(|(_, examine)| examine()).collect();
    print!("{}", if json { document(&findings) } else { text(&findings) });
    let is_well = findings.iter().all(|finding| finding.obstacles.is_empty());
    Ok(if options.backend.is_some() && !is_well { CANNOT } else { 0 })
}

fn sim() -> Finding {
    Finding {
        backend: "sim",
        purpose: "policies on virtual CPUs, for studies and tests",
        facts: vec!["needs nothing, simulates up to 512 CPUs".to_owned()],
        obstacles: Vec::new(),
    }
}

fn threads() -> Finding {
    let mut facts = Vec::new();
    match machine::allowed_cpus() {
        Some(cpus) if cpus.len() < 2 => facts.push(format!(
            "one CPU ({cpus}): the dispatcher and the requests take turns on it; allow this process \
             two or more, with taskset or its cpuset, and they do not"
        )),
        Some(cpus) => facts.push(format!(
            "CPUs {cpus}: one for the dispatcher, {} for requests",
            cpus.len() - 1
        )),
        None => facts.push("the CPUs of this process cannot be read from /proc".to_owned()),
    }
    Finding {
        backend: "threads",
        purpose: "requests of the program that embeds it, without privilege",
        facts,
        obstacles: Vec::new(),
    }
}

#[cfg(not(feature = "kernel"))]
fn kernel() -> Finding {
    let mut facts = vec![format!("kernel {}", machine::release())];
    facts.push(match machine::has_sched_ext() {
        true => "this kernel has sched_ext, which the backend needs".to_owned(),
        false => {
            "this kernel has no sched_ext: Linux 6.13 or newer with CONFIG_SCHED_CLASS_EXT=y has it"
                .to_owned()
        }
    });
    Finding {
        backend: "kernel",
        purpose: KERNEL_PURPOSE,
        facts,
        obstacles: vec![crate::kernel::REASON.to_owned()],
    }
}

#[cfg(feature = "kernel")]
fn kernel() -> Finding {
    let mut facts = vec![format!("kernel {}", machine::release())];
    let loaded = crate::kernel::loaded();
    let is_ours = loaded.is_some();
    facts.extend(loaded);
    facts.extend(machine::tracing());
    facts.extend(machine::online_cpus().filter(|cpus| cpus.len() == 1).map(|_| {
        "one CPU: an enclave would share it with everything else, and needs --agent percpu"
            .to_owned()
    }));
    let is_in_the_way = |obstacle: &revenant_bpf::LoadError| {
        !(is_ours && matches!(obstacle, revenant_bpf::LoadError::Another { .. }))
    };
    let obstacles = revenant_bpf::kernel::obstacles().into_iter().filter(is_in_the_way);
    let obstacles = obstacles.map(|obstacle| obstacle.to_string()).collect();
    Finding { backend: "kernel", purpose: KERNEL_PURPOSE, facts, obstacles }
}

const KERNEL_PURPOSE: &str = "enclaves: threads of any program, through sched_ext";

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let verdict = if finding.obstacles.is_empty() { "works" } else { "does not work here" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<8} {verdict}: {}", finding.backend, finding.purpose);
        for fact in &finding.facts {
            let _ = writeln!(text, "         - {fact}");
        }
        for obstacle in &finding.obstacles {
            let _ = writeln!(text, "         ! {obstacle}");
        }
    }
    text
}

fn document(findings: &[Finding]) -> String {
    let backends: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "backend": finding.backend,
                "works": finding.obstacles.is_empty(),
                "facts": finding.facts,
                "obstacles": finding.obstacles,
            })
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    json!({ "version": version, "kernel": machine::release(), "backends": backends }).to_string()
        + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obstacle_is_told_with_its_backend() {
        let mut finding = sim();
        assert!(text(&[sim()]).starts_with("sim      works"), "{}", text(&[finding]));
        finding = sim();
        finding.obstacles.push("no CPU: buy one".to_owned());
        let said = text(&[finding]);
        assert!(
            said.contains("does not work here") && said.contains("! no CPU: buy one"),
            "{said}"
        );
    }
}
