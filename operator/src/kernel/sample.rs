//! What `top` shows: enclaves at one moment, and what happened since the moment before.

use std::sync::atomic::{AtomicU64, Ordering};

use revenant::backend::kernel::enclaves;
use revenant::task::TaskState;
use revenant::transaction::Outcome;
use revenant_bpf::{Scheduler, abi};
use serde::Serialize;

use super::process;
use super::record::{EnclaveRow, now_ns};

/// Counters of an enclave, to be compared with later ones.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    enclave: u32,
    generation: u32,
    at_ns: u64,
    messages: u64,
    turns: u64,
    outcomes: [u64; Outcome::ALL.len()],
    delays: [u64; abi::DELAYS],
}

impl Counters {
    /// Of all enclaves.
    pub(crate) fn read_all(scheduler: &Scheduler) -> Vec<Self> {
        let all = enclaves::list(scheduler).into_iter();
        all.map(|enclave| Self::read(scheduler, enclave)).collect()
    }

    fn read(scheduler: &Scheduler, enclave: u32) -> Self {
        let record = &scheduler.enclaves()[enclave as usize];
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            enclave,
            generation: record.generation.load(Ordering::Relaxed),
            at_ns: now_ns(),
            messages: count(&record.messages),
            turns: count(&record.turns),
            outcomes: std::array::from_fn(|outcome| count(&record.outcomes[outcome])),
            delays: std::array::from_fn(|bucket| count(&record.delays[bucket])),
        }
    }

    /// The counters of the same enclave in an earlier reading; zeros of now if it is new.
    fn before<'a>(&'a self, earlier: &'a [Self]) -> &'a Self {
        let is_same =
            |other: &&Self| other.enclave == self.enclave && other.generation == self.generation;
        earlier.iter().find(is_same).unwrap_or(self)
    }
}

/// An enclave, now and lately.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EnclaveSample {
    #[serde(flatten)]
    pub(crate) row: EnclaveRow,
    pub(crate) interval_ns: u64,
    /// Threads that wait for a CPU.
    pub(crate) queued: u32,
    pub(crate) running: u32,
    pub(crate) blocked: u32,
    pub(crate) messages_per_s: f64,
    pub(crate) commits_per_s: f64,
    pub(crate) turns_per_s: f64,
    /// Ever, as the counts by outcome are.
    pub(crate) messages: u64,
    pub(crate) fallback_runs: u64,
    pub(crate) fast_path_runs: u64,
    pub(crate) handoffs: u64,
    pub(crate) outcomes: Vec<OutcomeCount>,
    /// Times from queued to running, of the interval.
    pub(crate) delays: Vec<DelayCount>,
    pub(crate) on_cpus: Vec<CpuSample>,
}

/// Transactions with an outcome.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OutcomeCount {
    pub(crate) outcome: &'static str,
    pub(crate) total: u64,
    pub(crate) per_s: f64,
}

/// Threads that waited as long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DelayCount {
    pub(crate) from_ns: u64,
    pub(crate) count: u64,
}

/// A CPU of an enclave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CpuSample {
    pub(crate) cpu: u32,
    /// `running` one of the enclave's threads, `agent`, `busy` with a higher class, `idle`, `offline`.
    pub(crate) state: &'static str,
    pub(crate) tid: Option<u32>,
    pub(crate) thread: String,
    /// Times a higher class took the CPU.
    pub(crate) busy_times: u64,
}

/// Enclaves now, against an earlier reading.
pub(crate) fn sample(scheduler: &Scheduler, earlier: &[Counters]) -> Vec<EnclaveSample> {
    let now = Counters::read_all(scheduler);
    now.iter().map(|counters| against(scheduler, counters, counters.before(earlier))).collect()
}

fn against(scheduler: &Scheduler, now: &Counters, before: &Counters) -> EnclaveSample {
    let record = &scheduler.enclaves()[now.enclave as usize];
    let interval_ns = now.at_ns - before.at_ns;
    let rate = |now: u64, before: u64| match interval_ns {
        0 => 0.0,
        ns => now.saturating_sub(before) as f64 * 1e9 / ns as f64,
    };
    let [queued, running, blocked] = count_states(scheduler, now.enclave);
    let outcomes = Outcome::ALL.iter().enumerate().map(|(index, outcome)| OutcomeCount {
        outcome: outcome.name(),
        total: now.outcomes[index],
        per_s: rate(now.outcomes[index], before.outcomes[index]),
    });
    let delays = (0..abi::DELAYS).map(|bucket| DelayCount {
        from_ns: 1 << bucket,
        count: now.delays[bucket].saturating_sub(before.delays[bucket]),
    });
    let committed = Outcome::Committed as usize;
    EnclaveSample {
        row: EnclaveRow::read(scheduler, now.enclave),
        interval_ns,
        queued,
        running,
        blocked,
        messages_per_s: rate(now.messages, before.messages),
        commits_per_s: rate(now.outcomes[committed], before.outcomes[committed]),
        turns_per_s: rate(now.turns, before.turns),
        messages: now.messages,
        fallback_runs: record.fallback_runs.load(Ordering::Relaxed),
        fast_path_runs: record.fast_path_runs.load(Ordering::Relaxed),
        handoffs: record.handoffs.load(Ordering::Relaxed),
        outcomes: outcomes.collect(),
        delays: delays.collect(),
        on_cpus: cpus(scheduler, now.enclave),
    }
}

/// Threads that are queued, running and blocked.
fn count_states(scheduler: &Scheduler, enclave: u32) -> [u32; 3] {
    let used = scheduler.machine().slots_used.load(Ordering::Relaxed) as usize;
    let words = scheduler.status_words().iter().take(used);
    let own = words.filter(|word| word.enclave.load(Ordering::Relaxed) == enclave);
    let mut counts = [0; 3];
    for word in own.filter_map(abi::StatusWord::read) {
        match TaskState::from_bits((word.seq_state_cpu >> 32) as u8) {
            TaskState::Queued => counts[0] += 1,
            TaskState::Latched | TaskState::OnCpu => counts[1] += 1,
            TaskState::Blocked => counts[2] += 1,
            TaskState::Dead => {}
        }
    }
    counts
}

fn cpus(scheduler: &Scheduler, enclave: u32) -> Vec<CpuSample> {
    let own = enclaves::cpus(scheduler, enclave);
    own.iter().map(|cpu| cpu_now(scheduler, u32::from(cpu.0))).collect()
}

/// A CPU, and who runs there.
pub(crate) fn cpu_now(scheduler: &Scheduler, cpu: u32) -> CpuSample {
    let record = &scheduler.cpus()[cpu as usize];
    let is = |word: &std::sync::atomic::AtomicU32| word.load(Ordering::Relaxed) != 0;
    let agent = record.agent_tid.load(Ordering::Relaxed);
    let (state, tid) = match current(scheduler, record) {
        _ if !is(&record.is_online) => ("offline", None),
        Some(tid) => ("running", Some(tid)),
        None if agent != 0 && is(&record.is_busy) => ("agent", Some(agent)),
        None if is(&record.is_busy) => ("busy", None),
        None => ("idle", None),
    };
    CpuSample {
        cpu,
        state,
        tid,
        thread: tid.map(process::name).unwrap_or_default(),
        busy_times: record.busy_times.load(Ordering::Relaxed),
    }
}

/// The thread of ours that runs there.
fn current(scheduler: &Scheduler, cpu: &abi::Cpu) -> Option<u32> {
    let task = cpu.current.load(Ordering::Relaxed);
    // Generation 0 is nobody's.
    let word = scheduler.status_words().get(task as u32 as usize).filter(|_| task != 0)?;
    let tid = word.tid.load(Ordering::Relaxed);
    (tid != 0).then_some(tid)
}
