//! The command `enclave create`, and what it shares with `run`.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use revenant::backend::kernel::enclaves::{self, EnclaveError, Spec};
use revenant::cpu::{CpuId, CpuSet};
use revenant_bpf::{Scheduler, abi};

use super::record::EnclaveRow;
use super::run_folder::{begin_log, log_tail};
use super::{agent, cleaning, keeper, listing, session, signals};
use crate::cli::{Agent, AgentChoice, Create, Creation, Keep};
use crate::failure::Failure;

/// How long an agent may take to begin: it locks some megabytes into memory, and emulated machines
/// are slow. Beyond it something hangs.
const BEGIN_PATIENCE: Duration = Duration::from_secs(30);
/// How often its state is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// Makes an enclave and says what it became.
pub(crate) fn create(options: &Create, json: bool) -> Result<u8, Failure> {
    // Half an enclave is nobody's wish: it takes less than a second to finish.
    signals::keep();
    let name = options.name.clone().unwrap_or_else(|| options.creation.policy.to_string());
    let made = make(&name, &options.creation, None)?;
    let row = EnclaveRow::read(&made.scheduler, made.enclave);
    listing::print(std::slice::from_ref(&row), json);
    Ok(0)
}

/// An enclave with its agent.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) enclave: u32,
    /// Another enclave may have the place later.
    generation: u32,
}

impl Made {
    /// The enclave that has this place now.
    pub(crate) fn new(scheduler: Arc<Scheduler>, enclave: u32) -> Self {
        let generation = scheduler.enclaves()[enclave as usize].generation.load(Ordering::Relaxed);
        Self { scheduler, enclave, generation }
    }

    /// Whether it still is that one, and has not been destroyed.
    pub(crate) fn is_there(&self) -> bool {
        let record = &self.scheduler.enclaves()[self.enclave as usize];
        let state = record.state.load(Ordering::Acquire);
        let is_alive = state == abi::ENCLAVE_ATTACHED || state == abi::ENCLAVE_ORPHAN;
        is_alive && record.generation.load(Ordering::Relaxed) == self.generation
    }
}

/// Makes an enclave and waits until its agent serves. With `until`, it ends by itself when that
/// process has ended and no thread is left in it.
pub(crate) fn make(name: &str, creation: &Creation, until: Option<u32>) -> Result<Made, Failure> {
    let policy = creation.policy.build(&creation.options.options());
    policy.map_err(Failure::cannot)?;
    let (scheduler, _turn) = session::open_or_load()?;
    let made = claim(&scheduler, name, creation).and_then(|enclave| {
        begin(&scheduler, enclave, name, creation, until).inspect_err(|_| {
            // The first error is the one worth reporting.
            let _best_effort = enclaves::destroy(&scheduler, enclave);
        })?;
        Ok(enclave)
    });
    match made {
        Ok(enclave) => Ok(Made::new(scheduler, enclave)),
        Err(failure) => {
            cleaning::unload_if_unused(&scheduler);
            Err(failure)
        }
    }
}

/// Makes the enclave, without an agent yet.
fn claim(scheduler: &Scheduler, name: &str, creation: &Creation) -> Result<u32, Failure> {
    let cpus = creation.cpus(&online(scheduler), &owned(scheduler));
    if cpus.is_empty() {
        let names = session::names(scheduler).join(", ");
        return Err(Failure::Cannot(anyhow!(
            "every CPU but the first belongs to an enclave ({names}): destroy one, or name --cpus"
        )));
    }
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    let spec = Spec {
        name: name.to_owned(),
        cpus,
        silence_limit: creation.limits.silence_limit,
        // The agent has yet to begin; the limit asked for counts once it has.
        orphan_limit: BEGIN_PATIENCE,
        watchdog: creation.limits.watchdog,
        flags: flag(creation.fast_path, abi::FAST_PATH)
            | flag(creation.agent(&cpus) == AgentChoice::Percpu, abi::PER_CPU_AGENTS),
    };
    enclaves::create(scheduler, &spec).map_err(|error| match error {
        EnclaveError::Call(_) | EnclaveError::NotEmpty { .. } => Failure::failed(error),
        _ => Failure::cannot(error),
    })
}

fn online(scheduler: &Scheduler) -> CpuSet {
    cpus_with(scheduler, |cpu| cpu.is_online.load(Ordering::Relaxed) != 0)
}

fn owned(scheduler: &Scheduler) -> CpuSet {
    cpus_with(scheduler, |cpu| cpu.owner.load(Ordering::Relaxed) != 0)
}

fn cpus_with(scheduler: &Scheduler, is_so: impl Fn(&abi::Cpu) -> bool) -> CpuSet {
    let cpus = scheduler.cpus().iter().enumerate();
    cpus.filter(|(_, cpu)| is_so(cpu)).map(|(index, _)| CpuId(index as u16)).collect()
}

/// Starts the keeper, which starts the agent, and waits until that serves.
fn begin(
    scheduler: &Scheduler,
    enclave: u32,
    name: &str,
    creation: &Creation,
    until: Option<u32>,
) -> Result<(), Failure> {
    let agent = Agent {
        enclave,
        policy: creation.policy,
        kind: creation.agent(&enclaves::cpus(scheduler, enclave)),
        options: creation.options.clone(),
        take_over: false,
    };
    let generation = scheduler.enclaves()[enclave as usize].generation.load(Ordering::Relaxed);
    let keep = Keep { generation, until, adopt: false, agent };
    let started = begin_log(name).and_then(|()| keeper::start(name, &keep));
    let keeper =
        started.context("the keeper of the enclave cannot be started").map_err(Failure::Failed)?;
    wait(scheduler, enclave, name, keeper)?;
    let limit_ns = creation.limits.orphan_limit.as_nanos() as u64;
    scheduler.enclaves()[enclave as usize].orphan_limit_ns.store(limit_ns, Ordering::Relaxed);
    Ok(())
}

fn wait(scheduler: &Scheduler, enclave: u32, name: &str, mut keeper: Child) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let row = EnclaveRow::read(scheduler, enclave);
        if row.agent.pid.is_some_and(|pid| agent::serves(scheduler, enclave, pid)) {
            return Ok(());
        }
        // A keeper whose agent does not come up gives up.
        let is_waiting = row.state == "orphan" || row.state == "attached";
        let has_ended = !is_waiting || !matches!(keeper.try_wait(), Ok(None));
        if has_ended || began.elapsed() > BEGIN_PATIENCE {
            let how = if has_ended { "did not come up" } else { "hangs before its first turn" };
            return Err(Failure::Failed(anyhow!("the agent {how}; {}", log_tail(name))));
        }
        std::thread::sleep(LOOK);
    }
}
