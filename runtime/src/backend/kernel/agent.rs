//! The agent process: takes an enclave over, serves it, and makes way for a successor.
//!
//! An agent is a process of its own: a fault of it, or of the program it schedules, does not reach
//! the other. Its threads are above everything they schedule (SCHED_FIFO), their memory stays
//! resident, and once they serve they allocate nothing.
//!
//! | end of an agent | what its enclave does |
//! |---|---|
//! | it steps down for a successor | the kernel half serves it until the successor has attached |
//! | it dies, or takes no turn for long | the same, until another agent comes or the limit is over |
//! | the enclave was destroyed | nothing: its threads are in the fair class |

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use revenant_bpf::abi;
use revenant_bpf::{CallError, OpenError, Scheduler, set_text};

use crate::cpu::CpuSet;
use crate::policy::Policy;

mod global;
mod handoff;
mod inbox;
mod local;
mod priority;
mod process;
mod router;

pub(super) use priority::own_tid;
pub use process::AgentProcess;

/// Messages a channel holds: a burst of every task of a busy machine waking at once, 160 KiB.
const CHANNEL_MESSAGES: usize = 4096;

/// How long a predecessor has to finish its turn. It looks once a turn; one that hangs is no agent
/// after its silence limit, half of this by default.
const STEP_DOWN_PATIENCE: Duration = Duration::from_secs(1);

/// How an agent serves.
#[derive(Clone, Copy, Debug)]
pub struct AgentOptions {
    /// Which enclave.
    pub enclave: u32,
    /// The enclave may have an agent: it is asked to step down once this one is ready.
    pub takes_over: bool,
    /// Messages the channel holds.
    pub channel_messages: usize,
    /// Whether the agent's threads are SCHED_FIFO. Without it they must share their CPU with the
    /// fair class, which only tests want.
    pub is_realtime: bool,
}

impl AgentOptions {
    /// Those that make sense for `enclave`.
    pub fn new(enclave: u32) -> Self {
        Self { enclave, takes_over: false, channel_messages: CHANNEL_MESSAGES, is_realtime: true }
    }
}

/// Why an agent ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A successor asked for it.
    SteppedDown,
    /// The enclave is gone, or was given to somebody else.
    Dismissed,
    /// The caller's flag was set.
    Stopped,
}

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The scheduler cannot be reached.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The enclave has an agent, and taking over was not asked for.
    #[error("the enclave has an agent already (process {tgid}): `revenant upgrade` replaces it")]
    Busy {
        /// Whose.
        tgid: u32,
    },
    /// There is no such enclave.
    #[error("there is no enclave {enclave}, or it was destroyed")]
    NoEnclave {
        /// Which.
        enclave: u32,
    },
    /// The enclave owns no CPU.
    #[error("the enclave has no CPU: give it one first")]
    NoCpus,
    /// The predecessor did not make way.
    #[error(
        "the present agent (process {tgid}) did not step down within {patience:?}; it still serves"
    )]
    NotSteppingDown {
        /// Whose.
        tgid: u32,
        /// How long it had.
        patience: Duration,
    },
    /// The system refused something an agent needs.
    #[error("an agent needs to {step}: {source}")]
    System {
        /// What.
        step: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The kernel half refused a call.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Serves an enclave with one agent that spins on one of its CPUs, until it steps down, is
/// dismissed, or `stops` is set. Blocks. The thread is then still what it was made: to be ended.
///
/// # Errors
/// Why it could not begin; whoever served the enclave before still does.
pub fn serve_global<P: Policy>(
    options: &AgentOptions,
    policy: P,
    stops: &AtomicBool,
) -> Result<End, AgentError> {
    let scheduler = Arc::new(Scheduler::open()?);
    global::serve(options, policy, scheduler, stops)
}

/// Serves an enclave with an agent on each of its CPUs, which sleeps until a message concerns it, and
/// a policy of its own for each. Otherwise like [`serve_global`].
///
/// # Errors
/// As of [`serve_global`].
pub fn serve_per_cpu<P: Policy + Send>(
    options: &AgentOptions,
    policies: impl FnMut() -> P,
    stops: &AtomicBool,
) -> Result<End, AgentError> {
    let scheduler = Arc::new(Scheduler::open()?);
    local::serve(options, policies, scheduler, stops)
}

/// The enclave's CPUs, if it is one to serve.
fn check(scheduler: &Scheduler, options: &AgentOptions) -> Result<CpuSet, AgentError> {
    let enclave = options.enclave;
    let record =
        scheduler.enclaves().get(enclave as usize).ok_or(AgentError::NoEnclave { enclave })?;
    match record.state.load(Ordering::Acquire) {
        abi::ENCLAVE_ATTACHED if !options.takes_over => {
            Err(AgentError::Busy { tgid: record.agent_tgid.load(Ordering::Relaxed) })
        }
        abi::ENCLAVE_ATTACHED | abi::ENCLAVE_ORPHAN => {
            let cpus = super::enclaves::cpus(scheduler, enclave);
            if cpus.is_empty() { Err(AgentError::NoCpus) } else { Ok(cpus) }
        }
        _ => Err(AgentError::NoEnclave { enclave }),
    }
}

/// Asks the present agent, if there is one, to step down, and waits until it has.
fn succeed(scheduler: &Scheduler, options: &AgentOptions) -> Result<(), AgentError> {
    let record = &scheduler.enclaves()[options.enclave as usize];
    if record.state.load(Ordering::Acquire) != abi::ENCLAVE_ATTACHED {
        return Ok(());
    }
    let tgid = record.agent_tgid.load(Ordering::Relaxed);
    record.steps_down.store(1, Ordering::Release);
    let until_ns = super::now_ns() + STEP_DOWN_PATIENCE.as_nanos() as u64;
    // The kernel half forgets the agent last: only then has the enclave room for another.
    while record.agent_tgid.load(Ordering::Acquire) == tgid {
        if super::now_ns() > until_ns {
            record.steps_down.store(0, Ordering::Release);
            return Err(AgentError::NotSteppingDown { tgid, patience: STEP_DOWN_PATIENCE });
        }
        std::hint::spin_loop();
    }
    Ok(())
}

/// Why an agent that serves should end, if it should.
fn end(scheduler: &Scheduler, enclave: u32, stops: &AtomicBool) -> Option<End> {
    let record = &scheduler.enclaves()[enclave as usize];
    if record.state.load(Ordering::Relaxed) != abi::ENCLAVE_ATTACHED {
        return Some(End::Dismissed);
    }
    if stops.load(Ordering::Relaxed) {
        return Some(End::Stopped);
    }
    // Acquire pairs with the release in `succeed`: the successor was ready before it asked.
    (record.steps_down.load(Ordering::Acquire) != 0).then_some(End::SteppedDown)
}

fn announce(scheduler: &Scheduler, enclave: u32, policy: &str) {
    set_text(&scheduler.enclaves()[enclave as usize].policy, policy);
}

fn record_flags(scheduler: &Scheduler, enclave: u32) -> &AtomicU32 {
    &scheduler.enclaves()[enclave as usize].flags
}
