//! `kernel-POLICY`: the threads of `eevdf` as members of an enclave, scheduled by an agent process.
//!
//! The agent has a CPU that is neither the generator's nor a worker's. What policies know of times is
//! scaled with the workload: it is made for short requests of 10 us.

use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::cpu::CpuSet;
use revenant::policy::{AnyPolicy, Demotion, PolicyKind, PolicyOptions, Shinjuku, TwoQueueOptions};
use revenant_bpf::Scheduler;

use super::thread_per_request::{self, CrewKind};
use crate::affinity::{self, Visit};
use crate::discipline::Discipline;
use crate::opcosts::stage::{Engine, Stage};
use crate::system::{Run, RunError, RunOutcome, System};

/// The short requests that the policies' defaults are made for.
const SHORT_NS: f64 = 10_000.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Member(pub(super) PolicyKind);

impl System for Member {
    fn name(&self) -> &'static str {
        match self.0 {
            PolicyKind::TwoQueue => "kernel-two-queue",
            PolicyKind::Shinjuku => "kernel-shinjuku",
            PolicyKind::Fifo => "kernel-fifo",
            PolicyKind::FifoPerCpu => "kernel-fifo-percpu",
        }
    }

    fn about(&self) -> &'static str {
        "plain threads, scheduled by Revenant's policy of that name through sched_ext"
    }

    fn available(&self) -> Result<(), String> {
        match Scheduler::open() {
            Ok(_) => Ok(()),
            Err(_) => revenant_bpf::kernel::check().map(drop).map_err(|error| error.to_string()),
        }
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let setup = |reason: String| RunError::Setup { system: self.name(), reason };
        let engine = Engine::start().map_err(|error| setup(error.to_string()))?;
        let stage = Stage::new(&engine, &run.site.worker_set());
        let stage = stage.map_err(|error| setup(error.to_string()))?;
        let policy = self.policy(run).map_err(setup)?;
        let _agent = self.start(run, &stage, policy)?;
        let discipline = Discipline::Member { enclave: stage.enclave };
        thread_per_request::run(self.name(), run, &[CrewKind { discipline, serves: |_| true }])
    }
}

impl Member {
    fn start(
        &self,
        run: &Run<'_>,
        stage: &Stage,
        policy: AnyPolicy,
    ) -> Result<AgentProcess, RunError> {
        let setup = |reason: String| RunError::Setup { system: self.name(), reason };
        let failed = |error: std::io::Error| setup(error.to_string());
        let others = [run.site.generator].into_iter().chain(run.site.workers.iter().copied());
        let free = affinity::allowed().map_err(failed)?.minus(&others.collect::<CpuSet>());
        let Some(cpu) = free.first() else {
            return Err(setup("no CPU is left for the agent: give fewer --workers".to_owned()));
        };
        // The agent chooses among the CPUs of its parent.
        let _visit = Visit::to(cpu).map_err(failed)?;
        let options = AgentOptions::new(stage.enclave);
        AgentProcess::start(&options, policy).map_err(|error| setup(error.to_string()))
    }

    fn policy(&self, run: &Run<'_>) -> Result<AnyPolicy, String> {
        let shortest = run.mix.classes().iter().map(|class| class.service.mean_ns());
        let scale = (shortest.fold(f64::INFINITY, f64::min) / SHORT_NS).max(1.0);
        let scaled = |ns: u64| (ns as f64 * scale) as u64;
        let defaults = TwoQueueOptions::default();
        let (_, max_ns) = defaults.demotion.bounds_ns();
        // The threshold finds the gap by itself; it need only not look for it below the shortest class.
        let min_ns = (2.0 * scale * SHORT_NS) as u64;
        let two_queue = TwoQueueOptions {
            demotion: Demotion::Adaptive { min_ns, max_ns: scaled(max_ns) },
            demoted_quantum_ns: scaled(defaults.demoted_quantum_ns),
            ..defaults
        };
        let options = PolicyOptions { quantum_ns: scaled(Shinjuku::QUANTUM_NS), two_queue };
        self.0.build(&options).map_err(|error| error.to_string())
    }
}
