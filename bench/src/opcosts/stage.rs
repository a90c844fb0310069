//! The stage: the loaded scheduler and an enclave on it, both gone when dropped.

use std::sync::Arc;
use std::time::Duration;

use revenant::backend::kernel::enclaves::{self, Spec};
use revenant::cpu::CpuSet;
use revenant_bpf::Scheduler;

use super::OpcostError;

/// The loaded scheduler.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) scheduler: Arc<Scheduler>,
    is_ours: bool,
}

impl Engine {
    /// Loads the scheduler unless it is loaded.
    pub(crate) fn start() -> Result<Self, OpcostError> {
        let is_ours = Scheduler::open().is_err();
        if is_ours {
            revenant_bpf::load()?;
        }
        Ok(Self { scheduler: Arc::new(Scheduler::open()?), is_ours })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.is_ours {
            // What is left of it, the next command that loads the scheduler finds and removes.
            let _best_effort = revenant_bpf::unload();
        }
    }
}

/// An enclave.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) enclave: u32,
}

impl Stage {
    /// An enclave on `cpus`, without limits: an emulated CPU may stand still for long.
    pub(crate) fn new(engine: &Engine, cpus: &CpuSet) -> Result<Self, OpcostError> {
        let spec = Spec {
            name: format!("bench-{}", std::process::id()),
            cpus: *cpus,
            silence_limit: Duration::ZERO,
            orphan_limit: Duration::ZERO,
            watchdog: Duration::ZERO,
            ..Spec::default()
        };
        let scheduler = Arc::clone(&engine.scheduler);
        let enclave = enclaves::create(&scheduler, &spec)?;
        Ok(Self { scheduler, enclave })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Members that do not leave keep its CPUs; the rows that follow then say so.
        let _reported_later = enclaves::destroy(&self.scheduler, self.enclave);
    }
}
