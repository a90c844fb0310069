//! An enclave's record, as results and screens show it.

use std::sync::atomic::Ordering;

use revenant::backend::kernel::enclaves;
use revenant_bpf::{Scheduler, abi, text};
use serde::Serialize;

use crate::cli::AgentChoice;

/// An enclave at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct EnclaveRow {
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) state: &'static str,
    pub(crate) cpus: String,
    pub(crate) policy: String,
    pub(crate) agent: AgentRow,
    /// The process that looks after its end.
    pub(crate) keeper_pid: Option<u32>,
    pub(crate) threads: u32,
    pub(crate) orphan_limit_ns: u64,
    pub(crate) watchdog_ns: u64,
    pub(crate) silence_limit_ns: u64,
    pub(crate) age_ns: u64,
    /// How long the last change of agents left it without one.
    pub(crate) blackout_ns: u64,
}

/// The agent of an enclave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AgentRow {
    pub(crate) kind: &'static str,
    pub(crate) pid: Option<u32>,
    /// Where a global agent spins.
    pub(crate) cpu: Option<u32>,
}

impl EnclaveRow {
    /// Reads the record.
    pub(crate) fn read(scheduler: &Scheduler, enclave: u32) -> Self {
        let record = &scheduler.enclaves()[enclave as usize];
        let created_ns = record.created_ns.load(Ordering::Relaxed);
        Self {
            name: text(&record.name),
            number: enclave,
            state: state(record),
            cpus: enclaves::cpus(scheduler, enclave).to_string(),
            policy: text(&record.policy),
            agent: AgentRow::read(scheduler, enclave),
            keeper_pid: some(record.keeper_tgid.load(Ordering::Relaxed)),
            threads: record.tasks.load(Ordering::Relaxed),
            orphan_limit_ns: record.orphan_limit_ns.load(Ordering::Relaxed),
            watchdog_ns: record.watchdog_ns.load(Ordering::Relaxed),
            silence_limit_ns: record.silence_limit_ns.load(Ordering::Relaxed),
            age_ns: now_ns().saturating_sub(created_ns),
            blackout_ns: record.blackout_ns.load(Ordering::Relaxed),
        }
    }
}

impl AgentRow {
    fn read(scheduler: &Scheduler, enclave: u32) -> Self {
        let record = &scheduler.enclaves()[enclave as usize];
        let pid = some(record.agent_tgid.load(Ordering::Relaxed));
        let kind = kind(record);
        let has_cpu = |cpu: &abi::Cpu| {
            let tid = cpu.agent_tid.load(Ordering::Relaxed);
            tid != 0 && Some(tid) == pid
        };
        let cpu = scheduler.cpus().iter().position(has_cpu).map(|cpu| cpu as u32);
        Self { kind: kind.name(), pid, cpu: cpu.filter(|_| kind == AgentChoice::Global) }
    }
}

/// Zero is nobody.
fn some(pid: u32) -> Option<u32> {
    (pid != 0).then_some(pid)
}

/// The kind of agent the enclave was made for.
pub(crate) fn kind(record: &abi::Enclave) -> AgentChoice {
    match record.flags.load(Ordering::Relaxed) & abi::PER_CPU_AGENTS {
        0 => AgentChoice::Global,
        _ => AgentChoice::Percpu,
    }
}

fn state(record: &abi::Enclave) -> &'static str {
    match record.state.load(Ordering::Acquire) {
        abi::ENCLAVE_FREE => "gone",
        abi::ENCLAVE_ORPHAN => "orphan",
        abi::ENCLAVE_ATTACHED => "attached",
        _ => "destroyed",
    }
}

/// Why the enclave ended, for people.
pub(crate) fn reason(record: &abi::Enclave) -> String {
    let seconds = |ns: u64| format!("{:.1} s", ns as f64 / 1e9);
    let after = seconds(record.reason_ns.load(Ordering::Relaxed));
    match record.reason.load(Ordering::Relaxed) {
        abi::REASON_ASKED => "it was asked to end".to_owned(),
        abi::REASON_NO_AGENT => format!("it was without an agent for {after}, beyond its limit"),
        abi::REASON_SILENT => format!("its agent took no turn, and no other came for {after}"),
        abi::REASON_UNSERVED => {
            let tid = record.reason_tid.load(Ordering::Relaxed);
            format!(
                "thread {tid} was runnable for {after} without getting a CPU, beyond its watchdog of {}",
                seconds(record.watchdog_ns.load(Ordering::Relaxed))
            )
        }
        _ => "it has no agent and nobody looks after it".to_owned(),
    }
}

/// `CLOCK_MONOTONIC`, which the kernel half stamps everything with.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
