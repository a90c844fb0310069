//! The global agent: one thread that spins for the whole enclave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use revenant_bpf::{Scheduler, abi};

use super::handoff::Handoff;
use super::{AgentError, AgentOptions, End, priority, record_flags, router};
use crate::agent::Agent;
use crate::backend::kernel::{Kernel, enclaves, now_ns};
use crate::cpu::{CpuId, CpuSet};
use crate::enclave::Enclave;
use crate::policy::Policy;

/// An agent at work.
struct GlobalAgent<'s, P> {
    agent: Agent<P>,
    kernel: Kernel,
    handoff: Handoff,
    stops: &'s AtomicBool,
}

pub(super) fn serve<P: Policy>(
    options: &AgentOptions,
    policy: P,
    scheduler: Arc<Scheduler>,
    stops: &AtomicBool,
) -> Result<End, AgentError> {
    let cpus = super::check(&scheduler, options)?;
    let name = policy.name();
    // Everything that takes long or may fail comes before the predecessor is asked to go.
    let topology = enclaves::topology(&scheduler, options.enclave);
    let agent = Agent::new(policy, Enclave::new(topology, abi::TASKS_MAX));
    let handoff = place(&scheduler, options, &cpus)?;
    if options.is_realtime {
        priority::lock_memory()?;
        priority::rise()?;
    }
    let mut kernel = Kernel::open(
        Arc::clone(&scheduler),
        options.enclave,
        abi::CHANNEL_DEFAULT,
        options.channel_messages,
    )?;
    super::succeed(&scheduler, options)?;
    scheduler.attach_agent(options.enclave, Some(u32::from(handoff.cpu().0)))?;
    kernel.begin();
    // A predecessor may have had an agent and a channel for each CPU.
    record_flags(&scheduler, options.enclave).fetch_and(!abi::PER_CPU_AGENTS, Ordering::Relaxed);
    router::gather(&scheduler, options.enclave, abi::CHANNEL_DEFAULT);
    super::announce(&scheduler, options.enclave, name);
    Ok(GlobalAgent { agent, kernel, handoff, stops }.serve())
}

/// A CPU of the enclave, if there is one more to schedule on; else one of nobody's.
fn place(
    scheduler: &Scheduler,
    options: &AgentOptions,
    cpus: &CpuSet,
) -> Result<Handoff, AgentError> {
    let allowed = crate::backend::threads::placement::allowed_cpus()
        .map_err(|source| AgentError::System { step: "know the CPUs it may use", source })?;
    let own = cpus.and(&allowed);
    let others = allowed.minus(cpus);
    let is_free = |cpu: &CpuId| scheduler.cpus()[cpu.index()].owner.load(Ordering::Relaxed) == 0;
    let (cpu, range) = match (own.first(), others.iter().find(is_free)) {
        (Some(cpu), _) if cpus.len() > 1 => (cpu, own),
        (_, Some(cpu)) => (cpu, CpuSet::EMPTY),
        (Some(cpu), None) => (cpu, own),
        (None, None) => (others.first().ok_or(AgentError::NoCpus)?, CpuSet::EMPTY),
    };
    if options.is_realtime {
        priority::pin(&[cpu].into_iter().collect())?;
    }
    Ok(Handoff::new(cpu, range))
}

impl<P: Policy> GlobalAgent<'_, P> {
    fn serve(mut self) -> End {
        self.agent.rescan(now_ns(), &mut self.kernel);
        loop {
            let now_ns = now_ns();
            if let Some(end) = self.end() {
                self.retire(end);
                return end;
            }
            let record = self.record();
            record.heartbeat_ns.store(now_ns, Ordering::Relaxed);
            // Ours alone to write.
            let turns = record.turns.load(Ordering::Relaxed);
            record.turns.store(turns + 1, Ordering::Relaxed);
            let turn = self.agent.turn(now_ns, &mut self.kernel);
            if self.handoff.make_way(now_ns, self.kernel.scheduler(), self.agent.enclave()) {
                self.note_handoff();
            }
            // Nor is there news right after a commit: the other CPU has to switch first. An emulated
            // machine, which runs one CPU at a time, goes on with that one now.
            if turn.messages == 0 || turn.committed > 0 {
                std::hint::spin_loop();
            }
        }
    }

    fn record(&self) -> &abi::Enclave {
        &self.kernel.scheduler().enclaves()[self.kernel.enclave() as usize]
    }

    fn end(&self) -> Option<End> {
        match self.kernel.is_dismissed() {
            true => Some(End::Dismissed),
            false => super::end(self.kernel.scheduler(), self.kernel.enclave(), self.stops),
        }
    }

    fn note_handoff(&self) {
        let record = self.record();
        record.handoffs.fetch_add(1, Ordering::Relaxed);
        record.agent_cpu.store(u32::from(self.handoff.cpu().0), Ordering::Relaxed);
    }

    fn retire(&self, end: End) {
        if end != End::Dismissed {
            let cpu = Some(u32::from(self.handoff.cpu().0));
            // If the enclave was destroyed in this very moment, there is nothing to detach from.
            let _dismissed = self.kernel.scheduler().detach_agent(self.kernel.enclave(), cpu);
        }
    }
}
