//! Building a runtime: every choice has a default that works on two CPUs without privilege.

mod backend;
mod error;
#[cfg(feature = "kernel")]
mod kernel;
mod settings;

pub use backend::{BackendKind, Chosen, UnknownBackend};
pub use error::BuildError;
use settings::Settings;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::agent::Agent;
use crate::backend::threads::placement::{self, KernelPolicy};
use crate::backend::threads::{Dispatcher, Options, RING_MESSAGES, Shared, start};
use crate::class::Class;
use crate::cpu::CpuSet;
use crate::enclave::Enclave;
use crate::hint::ClassId;
use crate::ingress::{Admission, Ingress, SubmitOnly};
use crate::policy::{Policy, TwoQueue};
use crate::runtime::{AnyCrew, Parts, Runtime};
use crate::stats;
use crate::topology::Topology;

/// Chooses a runtime's policy, classes and CPUs.
#[derive(Debug)]
#[must_use]
pub struct Builder<P = TwoQueue, I = SubmitOnly> {
    policy: P,
    ingress: I,
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Self {
        Self { policy: TwoQueue::default(), ingress: SubmitOnly, settings: Settings::default() }
    }
}

impl<P: Policy + Send + 'static, I: Ingress + 'static> Builder<P, I> {
    /// Who runs next. Default: [`TwoQueue`].
    pub fn policy<Q: Policy>(self, policy: Q) -> Builder<Q, I> {
        Builder { policy, ingress: self.ingress, settings: self.settings }
    }

    /// A further way in, polled by the dispatcher itself. [`Runtime::submit`] works beside it.
    pub fn ingress<J: Ingress>(self, ingress: J) -> Builder<P, J> {
        Builder { policy: self.policy, ingress, settings: self.settings }
    }

    /// Adds a class of requests. Its number is its place among the calls, from 0.
    pub fn class(mut self, name: &str, class: Class) -> Self {
        self.settings.classes.push((name.to_owned(), class));
        self
    }

    /// The CPU the dispatcher spins on. Default: the first allowed one.
    pub fn dispatcher_cpu(mut self, cpu: crate::cpu::CpuId) -> Self {
        self.settings.dispatcher_cpu = Some([cpu].into_iter().collect());
        self
    }

    /// Other threads want the dispatcher's CPU, a client on the same machine above all: the
    /// dispatcher sleeps whenever it has nothing to do, and workers wake it. Default: it polls, which
    /// is quicker where the CPU is its own, and costs milliseconds a turn where it is not.
    pub fn share_dispatcher_cpu(mut self, is_shared: bool) -> Self {
        self.settings.shares_dispatcher_cpu = is_shared;
        self
    }

    /// The CPUs requests run on. Default: all allowed ones but the dispatcher's; that one too if
    /// there is no other, which works but is degraded: the two then take turns.
    pub fn worker_cpus(mut self, cpus: CpuSet) -> Self {
        self.settings.worker_cpus = Some(cpus);
        self
    }

    /// Native threads a worker CPU. Default: 256.
    pub fn workers_per_cpu(mut self, workers: usize) -> Self {
        self.settings.workers_per_cpu = workers;
        self
    }

    /// Requests in the runtime at a time, of all classes. Default: 16384.
    pub fn tasks_max(mut self, tasks: usize) -> Self {
        self.settings.tasks_max = tasks;
        self
    }

    /// How long idle CPUs poll before their threads sleep. Default: 2 ms.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.settings.spin = spin;
        self
    }

    /// Stack of each worker thread. Default: 2 MiB.
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.settings.stack_bytes = bytes;
        self
    }

    /// Prefix of the threads' names. Default: `revenant`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.settings.name);
        self
    }

    /// What schedules the requests. Default: [`BackendKind::Threads`].
    pub fn backend(mut self, backend: BackendKind) -> Self {
        self.settings.backend = backend;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// Which setting is wrong, and how to mend it.
    pub fn build(self) -> Result<Runtime, BuildError> {
        self.policy.validate()?;
        self.settings.check()?;
        let layout = self.layout()?;
        let chosen = self.settings.backend.resolve();
        match chosen.kind {
            BackendKind::Kernel => self.build_on_kernel(layout, chosen),
            _ => self.build_on_threads(layout, chosen),
        }
    }

    #[cfg(not(feature = "kernel"))]
    fn build_on_kernel(self, _: Layout, _: Chosen) -> Result<Runtime, BuildError> {
        let missing = "this program was built without the cargo feature `kernel` of crate revenant";
        Err(BuildError::Kernel(missing.to_owned()))
    }

    /// Where everything goes.
    fn layout(&self) -> Result<Layout, BuildError> {
        let (dispatcher_cpu, worker_cpus, allowed_cpus) = self.settings.place()?;
        let is_cramped = !dispatcher_cpu.and(&worker_cpus).is_empty();
        let spin_ns = if is_cramped { 0 } else { self.settings.spin.as_nanos() as u64 };
        let options = Options {
            worker_cpus,
            allowed_cpus,
            workers_per_cpu: self.settings.workers_per_cpu,
            tasks_max: self.settings.tasks_max,
            classes: self.settings.classes.len(),
            spin_ns,
            is_cramped,
            stack_bytes: self.settings.stack_bytes,
            ring_messages: RING_MESSAGES,
            topology: Topology::of_this_machine()?,
            name: self.settings.name.clone(),
        };
        Ok(Layout { dispatcher_cpu, is_cramped, options })
    }

    fn build_on_threads(self, layout: Layout, chosen: Chosen) -> Result<Runtime, BuildError> {
        let Layout { dispatcher_cpu, is_cramped, options } = layout;
        let (threads, crew) = start(&options).map_err(BuildError::Threads)?;
        let shared = Arc::clone(threads.shared());
        wire_bell(&shared, &self.ingress);
        let (names, classes): (Vec<_>, Vec<_>) = self.settings.classes.into_iter().unzip();
        let admission = Arc::new(Admission::new(Arc::clone(&shared), classes));
        let (recorder, reader) = stats::stages(names.len());
        let topology = options.topology.restricted_to(&options.worker_cpus);
        let enclave = Enclave::new(topology, options.tasks_max);
        let dispatcher = Dispatcher {
            agent: Agent::new(self.policy, enclave),
            threads,
            ingress: self.ingress,
            admission: Arc::clone(&admission),
            recorder,
            is_cramped,
            must_sleep: self.settings.shares_dispatcher_cpu,
            spin_ns: self.settings.spin.as_nanos() as u64,
        };
        let crew = AnyCrew::Threads(crew);
        let parts = Parts { shared, admission, names, reader, crew, is_cramped, chosen };
        launch(parts, self.settings.name, dispatcher_cpu, move || dispatcher.main())
    }
}

/// Lets an ingress that sleeps in its own way be woken. Before the dispatcher starts.
fn wire_bell(shared: &Shared, ingress: &impl Ingress) {
    if let Some(descriptor) = ingress.bell() {
        shared.dispatcher_bell.wire(descriptor);
    }
}

/// Where a runtime's threads go.
#[derive(Debug)]
struct Layout {
    dispatcher_cpu: CpuSet,
    /// Dispatcher and workers share a CPU.
    is_cramped: bool,
    options: Options,
}

/// Starts the dispatcher's thread.
fn launch(
    parts: Parts,
    name: String,
    cpu: CpuSet,
    main: impl FnOnce() + Send + 'static,
) -> Result<Runtime, BuildError> {
    let spawned = thread::Builder::new().name(name).spawn(move || {
        // Validated above; a CPU that vanished since leaves the dispatcher where it is.
        let _best_effort = placement::pin(0, &cpu);
        // Where it shares a CPU with workers, requests arrive while one of them runs.
        placement::adopt(KernelPolicy::Prompt);
        main();
    });
    match spawned {
        Ok(thread) => Ok(Runtime::new(parts, thread)),
        Err(error) => {
            parts.abandon();
            Err(BuildError::Threads(error))
        }
    }
}

/// A class by its name, for callers that submit often.
pub(crate) fn class_id(names: &[String], name: &str) -> Option<ClassId> {
    names.iter().position(|known| known == name).map(|index| ClassId(index as u16))
}
