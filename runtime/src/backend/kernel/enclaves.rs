//! Enclaves of the loaded scheduler: made, listed, resized and ended.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use revenant_bpf::abi::{self, Resize};
use revenant_bpf::{CallError, Scheduler, set_text, text};

use super::members;
use crate::cpu::{CpuId, CpuSet};
use crate::topology::Topology;

/// What an enclave is made with.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The operator's name for it, at most 31 bytes.
    pub name: String,
    /// Its CPUs.
    pub cpus: CpuSet,
    /// An agent that takes no turn for so long is no agent. 0: never.
    pub silence_limit: Duration,
    /// How long the enclave may be without an agent before it is destroyed. 0: for ever.
    pub orphan_limit: Duration,
    /// How long a runnable task may wait before the enclave is destroyed. 0: for ever, which is the
    /// kernel's 30 s, for all enclaves.
    pub watchdog: Duration,
    /// Messages that are sent only on demand, and the fast path: flags of the ABI.
    pub flags: u32,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            name: String::new(),
            cpus: CpuSet::EMPTY,
            // Far beyond the worst stall of a shared machine, far below what a person waits for.
            silence_limit: Duration::from_millis(500),
            // Time enough to start another agent by hand.
            orphan_limit: Duration::from_secs(10),
            watchdog: Duration::from_secs(5),
            flags: 0,
        }
    }
}

/// Why an enclave could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum EnclaveError {
    /// A CPU belongs to another enclave.
    #[error("CPU {cpu} belongs to enclave `{owner}`: shrink or destroy that one first")]
    Taken {
        /// Which.
        cpu: CpuId,
        /// Whose.
        owner: String,
    },
    /// The machine lacks a CPU, or has it switched off.
    #[error("CPU {cpu} does not exist or is offline; this machine has {online}")]
    NoCpu {
        /// Which.
        cpu: CpuId,
        /// The ones there are.
        online: Box<CpuSet>,
    },
    /// The name is in use.
    #[error("there is an enclave `{name}` already")]
    NameTaken {
        /// Which.
        name: String,
    },
    /// As many as there can be.
    #[error("there are {max} enclaves already, as many as there can be")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// Tasks did not leave.
    #[error("{tasks} threads of the enclave could not be moved to the fair class")]
    NotEmpty {
        /// How many.
        tasks: u32,
    },
    /// The kernel refused.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// CPUs of an enclave.
pub fn cpus(scheduler: &Scheduler, enclave: u32) -> CpuSet {
    let owns =
        |index: &usize| scheduler.cpus()[*index].owner.load(Ordering::Relaxed) == enclave + 1;
    (0..scheduler.cpus().len()).filter(owns).map(|index| CpuId(index as u16)).collect()
}

/// The topology of an enclave's CPUs.
pub fn topology(scheduler: &Scheduler, enclave: u32) -> Topology {
    let own = cpus(scheduler, enclave);
    match Topology::of_this_machine() {
        Ok(machine) => machine.restricted_to(&own),
        // Without /sys the CPUs are still CPUs; only their neighbourhood is unknown.
        Err(_) => Topology::flat(abi::CPUS_MAX).restricted_to(&own),
    }
}

/// Numbers of the enclaves there are, destroyed ones included.
pub fn list(scheduler: &Scheduler) -> Vec<u32> {
    let is_there = |index: &u32| {
        scheduler.enclaves()[*index as usize].state.load(Ordering::Acquire) != abi::ENCLAVE_FREE
    };
    (0..abi::ENCLAVES_MAX as u32).filter(is_there).collect()
}

/// An enclave by its name.
pub fn find(scheduler: &Scheduler, name: &str) -> Option<u32> {
    list(scheduler).into_iter().find(|enclave| self::name(scheduler, *enclave) == name)
}

/// An enclave's name.
pub fn name(scheduler: &Scheduler, enclave: u32) -> String {
    text(&scheduler.enclaves()[enclave as usize].name)
}

/// Makes an enclave. It is without an agent, which the limits count from now.
///
/// # Errors
/// Which part of `spec` cannot be had. Nothing is left behind.
pub fn create(scheduler: &Scheduler, spec: &Spec) -> Result<u32, EnclaveError> {
    if find(scheduler, &spec.name).is_some() {
        return Err(EnclaveError::NameTaken { name: spec.name.clone() });
    }
    let enclave = scheduler.create_enclave().map_err(|error| match error.errno() {
        libc::ENOSPC => EnclaveError::TooMany { max: abi::ENCLAVES_MAX },
        _ => error.into(),
    })?;
    let record = &scheduler.enclaves()[enclave as usize];
    set_text(&record.name, &spec.name);
    set_text(&record.policy, "");
    record.flags.store(spec.flags, Ordering::Relaxed);
    // Not that of the enclave which had this place before.
    record.keeper_tgid.store(0, Ordering::Relaxed);
    for (limit, value) in [
        (&record.silence_limit_ns, spec.silence_limit),
        (&record.orphan_limit_ns, spec.orphan_limit),
        (&record.watchdog_ns, spec.watchdog),
    ] {
        limit.store(value.as_nanos() as u64, Ordering::Relaxed);
    }
    resize(scheduler, enclave, &spec.cpus, &CpuSet::EMPTY).inspect_err(|_| {
        let _reported_below = destroy(scheduler, enclave);
    })?;
    Ok(enclave)
}

/// Gives CPUs to an enclave and takes others from it; what runs on those is preempted.
///
/// # Errors
/// A CPU that is not there, or is another's. Nothing was changed.
pub fn resize(
    scheduler: &Scheduler,
    enclave: u32,
    claim: &CpuSet,
    release: &CpuSet,
) -> Result<(), EnclaveError> {
    let is_online =
        |cpu: &CpuId| scheduler.cpus()[cpu.index()].is_online.load(Ordering::Relaxed) != 0;
    if let Some(cpu) = claim.iter().find(|cpu| !is_online(cpu)) {
        let all = (0..scheduler.cpus().len()).map(|index| CpuId(index as u16));
        return Err(EnclaveError::NoCpu { cpu, online: Box::new(all.filter(is_online).collect()) });
    }
    let mut arguments =
        Resize { enclave, claim: bits(claim), release: bits(release), ..Resize::default() };
    scheduler.resize_enclave(&mut arguments).map_err(|error| match error.errno() {
        libc::EBUSY => {
            let owner = scheduler.cpus()[arguments.cpu as usize].owner.load(Ordering::Relaxed);
            let owner = owner.checked_sub(1).map_or(String::new(), |owner| name(scheduler, owner));
            EnclaveError::Taken { cpu: CpuId(arguments.cpu as u16), owner }
        }
        _ => error.into(),
    })
}

fn bits(cpus: &CpuSet) -> [u64; abi::CPUS_MAX / 64] {
    let mut words = [0; abi::CPUS_MAX / 64];
    cpus.iter().for_each(|cpu| words[cpu.index() / 64] |= 1 << (cpu.index() % 64));
    words
}

/// How often the tasks of an enclave are asked to leave: a task may fork while it is asked.
const ROUNDS: usize = 50;

/// Ends an enclave: its threads go on in the fair class, its CPUs are free.
///
/// # Errors
/// Threads that could not be moved; the enclave is then destroyed, but keeps its CPUs.
pub fn destroy(scheduler: &Scheduler, enclave: u32) -> Result<(), EnclaveError> {
    scheduler.destroy_enclave(enclave)?;
    for _ in 0..ROUNDS {
        for (tid, _) in members::list(scheduler, enclave) {
            ignore_the_dead(members::to_fair(tid))
                .map_err(|source| CallError { call: "sched_setscheduler", source })?;
        }
        match scheduler.free_enclave(enclave) {
            Err(error) if error.errno() == libc::EBUSY => pause(Duration::from_millis(2)),
            // Another process was faster.
            Err(error) if error.errno() == libc::EINVAL => return Ok(()),
            other => return Ok(other?),
        }
    }
    let tasks = scheduler.enclaves()[enclave as usize].tasks.load(Ordering::Relaxed);
    Err(EnclaveError::NotEmpty { tasks })
}

/// A thread that is gone has left, too.
fn ignore_the_dead(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other,
    }
}

#[allow(clippy::disallowed_methods, reason = "waiting for other processes takes real time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
