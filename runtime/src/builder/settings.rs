//! What can be chosen besides policy and ingress, and whether it makes sense.

use std::time::Duration;

use super::{BackendKind, BuildError};
use crate::backend::threads::{WORKERS_MAX, placement};
use crate::class::Class;
use crate::cpu::CpuSet;

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

/// The choices.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) classes: Vec<(String, Class)>,
    pub(super) dispatcher_cpu: Option<CpuSet>,
    pub(super) worker_cpus: Option<CpuSet>,
    pub(super) workers_per_cpu: usize,
    pub(super) tasks_max: usize,
    pub(super) spin: Duration,
    pub(super) stack_bytes: usize,
    pub(super) name: String,
    pub(super) backend: BackendKind,
    pub(super) shares_dispatcher_cpu: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            classes: Vec::new(),
            dispatcher_cpu: None,
            worker_cpus: None,
            workers_per_cpu: WORKERS_PER_CPU,
            tasks_max: TASKS_MAX,
            spin: SPIN,
            stack_bytes: STACK_BYTES,
            name: "revenant".to_owned(),
            backend: BackendKind::default(),
            shares_dispatcher_cpu: false,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), BuildError> {
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
    pub(super) fn place(&self) -> Result<(CpuSet, CpuSet, CpuSet), BuildError> {
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
