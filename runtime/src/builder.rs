//! Building a runtime: every choice has a default that works on two CPUs without privilege.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::agent::Agent;
use crate::backend::threads::{Dispatcher, Options, RING_MESSAGES, WORKERS_MAX, placement, start};
use crate::class::Class;
use crate::cpu::CpuSet;
use crate::enclave::Enclave;
use crate::hint::ClassId;
use crate::ingress::{Admission, Ingress, SubmitOnly};
use crate::policy::{Policy, PolicyOptionError, TwoQueue};
use crate::runtime::{Parts, Runtime};
use crate::stats;
use crate::topology::{Topology, TopologyError};

/// Requests in the runtime at a time, of all classes. A slot is about 400 bytes.
const TASKS_MAX: usize = 16_384;

/// Native threads a worker CPU: each holds one request that has begun. Preempted requests keep
/// theirs, so this bounds how many long ones can be in the middle of their work at once; beyond it
/// running ones are no longer preempted in favour of new ones.
const WORKERS_PER_CPU: usize = 256;

/// How long an idle CPU polls before its thread sleeps. A wake-up costs the dispatcher some 8 us
/// and arrives some 18 us later on a virtual machine: a gap that long in the load is worth spinning
/// through, a quiet service is not.
const SPIN: Duration = Duration::from_millis(2);

/// A stack like the standard library's.
const STACK_BYTES: usize = 2 << 20;

/// Why a runtime could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no CPU to work on.
    #[error("worker_cpus: no CPUs; give at least one")]
    NoCpus,
    /// A CPU was asked for that this process may not use.
    #[error(
        "{field}: CPUs {cpus} are not in this process's affinity mask ({allowed}); choose among those, or widen it with taskset or the container's cpuset"
    )]
    CpusNotAllowed {
        /// The setting at fault.
        field: &'static str,
        /// The CPUs at fault.
        cpus: Box<CpuSet>,
        /// What the process may use.
        allowed: Box<CpuSet>,
    },
    /// A setting must be positive.
    #[error("{0}: must not be zero")]
    Zero(&'static str),
    /// A setting is beyond what the runtime can hold.
    #[error("{field}: {value} is above the bound of {max}")]
    TooMany {
        /// The setting at fault.
        field: &'static str,
        /// What was asked for.
        value: usize,
        /// What is possible.
        max: usize,
    },
    /// A class was named twice.
    #[error("class: `{0}` is named twice")]
    DuplicateClass(String),
    /// No class was named.
    #[error("class: name at least one, e.g. .class(\"get\", Class::slo_us(100))")]
    NoClasses,
    /// The policy's options make no sense.
    #[error("policy: {0}")]
    Policy(#[from] PolicyOptionError),
    /// The machine could not be read.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The affinity mask could not be read.
    #[error("cannot read this process's affinity mask: {0}")]
    Affinity(#[source] io::Error),
    /// A thread could not be started.
    #[error(
        "cannot start the runtime's threads: {0}; is there a limit on threads or memory (ulimit -u, pids cgroup)?"
    )]
    Threads(#[source] io::Error),
}

/// Chooses a runtime's policy, classes and CPUs.
#[derive(Debug)]
#[must_use]
pub struct Builder<P = TwoQueue, I = SubmitOnly> {
    policy: P,
    ingress: I,
    classes: Vec<(String, Class)>,
    dispatcher_cpu: Option<CpuSet>,
    worker_cpus: Option<CpuSet>,
    workers_per_cpu: usize,
    tasks_max: usize,
    spin: Duration,
    stack_bytes: usize,
    name: String,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            policy: TwoQueue::default(),
            ingress: SubmitOnly,
            classes: Vec::new(),
            dispatcher_cpu: None,
            worker_cpus: None,
            workers_per_cpu: WORKERS_PER_CPU,
            tasks_max: TASKS_MAX,
            spin: SPIN,
            stack_bytes: STACK_BYTES,
            name: "revenant".to_owned(),
        }
    }
}

impl<P: Policy + Send + 'static, I: Ingress + 'static> Builder<P, I> {
    /// Who runs next. Default: [`TwoQueue`].
    pub fn policy<Q: Policy>(self, policy: Q) -> Builder<Q, I> {
        Builder {
            policy,
            ingress: self.ingress,
            classes: self.classes,
            dispatcher_cpu: self.dispatcher_cpu,
            worker_cpus: self.worker_cpus,
            workers_per_cpu: self.workers_per_cpu,
            tasks_max: self.tasks_max,
            spin: self.spin,
            stack_bytes: self.stack_bytes,
            name: self.name,
        }
    }

    /// A further way in, polled by the dispatcher itself. [`Runtime::submit`] works beside it.
    pub fn ingress<J: Ingress>(self, ingress: J) -> Builder<P, J> {
        Builder {
            policy: self.policy,
            ingress,
            classes: self.classes,
            dispatcher_cpu: self.dispatcher_cpu,
            worker_cpus: self.worker_cpus,
            workers_per_cpu: self.workers_per_cpu,
            tasks_max: self.tasks_max,
            spin: self.spin,
            stack_bytes: self.stack_bytes,
            name: self.name,
        }
    }

    /// Adds a class of requests. Its number is its place among the calls, from 0.
    pub fn class(mut self, name: &str, class: Class) -> Self {
        self.classes.push((name.to_owned(), class));
        self
    }

    /// The CPU the dispatcher spins on. Default: the first allowed one.
    pub fn dispatcher_cpu(mut self, cpu: crate::cpu::CpuId) -> Self {
        self.dispatcher_cpu = Some([cpu].into_iter().collect());
        self
    }

    /// The CPUs requests run on. Default: all allowed ones but the dispatcher's; that one too if
    /// there is no other, which works but is degraded: the two then take turns.
    pub fn worker_cpus(mut self, cpus: CpuSet) -> Self {
        self.worker_cpus = Some(cpus);
        self
    }

    /// Native threads a worker CPU. Default: 256.
    pub fn workers_per_cpu(mut self, workers: usize) -> Self {
        self.workers_per_cpu = workers;
        self
    }

    /// Requests in the runtime at a time, of all classes. Default: 16384.
    pub fn tasks_max(mut self, tasks: usize) -> Self {
        self.tasks_max = tasks;
        self
    }

    /// How long idle CPUs poll before their threads sleep. Default: 2 ms.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// Stack of each worker thread. Default: 2 MiB.
    pub fn stack_bytes(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes;
        self
    }

    /// Prefix of the threads' names. Default: `revenant`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// Which setting is wrong, and how to mend it.
    pub fn build(self) -> Result<Runtime, BuildError> {
        self.check()?;
        let (dispatcher_cpu, worker_cpus, allowed_cpus) = self.place()?;
        let is_cramped = !dispatcher_cpu.and(&worker_cpus).is_empty();
        let spin_ns = if is_cramped { 0 } else { self.spin.as_nanos() as u64 };
        let options = Options {
            worker_cpus,
            allowed_cpus,
            workers_per_cpu: self.workers_per_cpu,
            tasks_max: self.tasks_max,
            classes: self.classes.len(),
            spin_ns,
            stack_bytes: self.stack_bytes,
            ring_messages: RING_MESSAGES,
            topology: Topology::of_this_machine()?,
            name: self.name.clone(),
        };
        let (threads, crew) = start(&options).map_err(BuildError::Threads)?;
        let shared = Arc::clone(threads.shared());
        let (names, classes): (Vec<_>, Vec<_>) = self.classes.into_iter().unzip();
        let admission = Arc::new(Admission::new(Arc::clone(&shared), classes));
        let (recorder, reader) = stats::stages(names.len());
        let enclave = Enclave::new(options.topology.restricted_to(&worker_cpus), options.tasks_max);
        let dispatcher = Dispatcher {
            agent: Agent::new(self.policy, enclave),
            threads,
            ingress: self.ingress,
            admission: Arc::clone(&admission),
            recorder,
            is_cramped,
            spin_ns,
        };
        let spawned = thread::Builder::new().name(self.name).spawn(move || {
            // Validated above; a CPU that vanished since leaves the dispatcher where it is.
            let _best_effort = placement::pin(0, &dispatcher_cpu);
            dispatcher.main();
        });
        let parts = Parts { shared, admission, names, reader, crew, is_cramped };
        match spawned {
            Ok(thread) => Ok(Runtime::new(parts, thread)),
            Err(error) => {
                parts.abandon();
                Err(BuildError::Threads(error))
            }
        }
    }

    fn check(&self) -> Result<(), BuildError> {
        self.policy.validate()?;
        for (field, value, max) in [
            ("workers_per_cpu", self.workers_per_cpu, WORKERS_MAX),
            ("tasks_max", self.tasks_max, 1 << 24),
            ("stack_bytes", self.stack_bytes, 1 << 40),
        ] {
            match value {
                0 => return Err(BuildError::Zero(field)),
                value if value > max => return Err(BuildError::TooMany { field, value, max }),
                _ => {}
            }
        }
        self.check_classes()
    }

    fn check_classes(&self) -> Result<(), BuildError> {
        if self.classes.is_empty() {
            return Err(BuildError::NoClasses);
        }
        if self.classes.len() > usize::from(u16::MAX) {
            let (field, value, max) = ("class", self.classes.len(), usize::from(u16::MAX));
            return Err(BuildError::TooMany { field, value, max });
        }
        for (index, (name, class)) in self.classes.iter().enumerate() {
            if self.classes[..index].iter().any(|(other, _)| other == name) {
                return Err(BuildError::DuplicateClass(name.clone()));
            }
            if class.in_flight_max == 0 {
                return Err(BuildError::Zero("class.in_flight_max"));
            }
            if class.deadline.is_some_and(|deadline| deadline.is_zero()) {
                return Err(BuildError::Zero("class.deadline"));
            }
        }
        Ok(())
    }

    /// The dispatcher's CPU, the workers' CPUs, and all allowed ones.
    fn place(&self) -> Result<(CpuSet, CpuSet, CpuSet), BuildError> {
        let allowed = placement::allowed_cpus().map_err(BuildError::Affinity)?;
        let within = |field, cpus: CpuSet| match cpus.minus(&allowed) {
            _ if cpus.is_empty() => Err(BuildError::NoCpus),
            foreign if foreign.is_empty() => Ok(cpus),
            foreign => Err(BuildError::CpusNotAllowed {
                field,
                cpus: Box::new(foreign),
                allowed: Box::new(allowed),
            }),
        };
        let asked_workers = self.worker_cpus.map(|cpus| within("worker_cpus", cpus)).transpose()?;
        let dispatcher = match self.dispatcher_cpu {
            Some(cpu) => within("dispatcher_cpu", cpu)?,
            None => {
                let free = asked_workers.map_or(allowed, |workers| allowed.minus(&workers));
                free.first().or(allowed.first()).into_iter().collect()
            }
        };
        let workers = asked_workers.unwrap_or_else(|| match allowed.minus(&dispatcher) {
            others if others.is_empty() => dispatcher,
            others => others,
        });
        let workers_all = workers.len() * self.workers_per_cpu;
        if workers_all > WORKERS_MAX {
            let max = WORKERS_MAX / workers.len();
            let (field, value) = ("workers_per_cpu", self.workers_per_cpu);
            return Err(BuildError::TooMany { field, value, max });
        }
        Ok((dispatcher, workers, allowed))
    }
}

/// A class by its name, for callers that submit often.
pub(crate) fn class_id(names: &[String], name: &str) -> Option<ClassId> {
    names.iter().position(|known| known == name).map(|index| ClassId(index as u16))
}
