//! Where an experiment runs: one CPU sends, the others work. The same for every system.

use std::io;

use revenant::cpu::{CpuId, CpuSet};
use thiserror::Error;

use crate::affinity;

/// The CPUs of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Runs the generator, and the dispatcher of systems that have one.
    pub generator: CpuId,
    /// Run the requests.
    pub workers: Vec<CpuId>,
}

/// Why there is no site.
#[derive(Debug, Error)]
pub enum SiteError {
    /// Fewer CPUs than asked for.
    #[error(
        "too few CPUs: {workers} worker(s) and the generator need {needed}, this process may use \
         {allowed}; {}", cure(*.allowed, *.workers)
    )]
    TooFew {
        /// CPUs the process may use.
        allowed: usize,
        /// CPUs needed.
        needed: usize,
        /// Workers asked for.
        workers: usize,
    },
    /// Nobody would do the work.
    #[error("--workers 0: give at least 1, or leave it out for all CPUs but the generator's")]
    NoWorkers,
    /// The kernel does not say.
    #[error("cannot read the CPUs this process may use: {0}")]
    Unknown(#[from] io::Error),
}

fn cure(allowed: usize, workers: usize) -> String {
    if workers > 1 && allowed > 1 {
        format!("ask for --workers {} or widen its CPU mask (taskset, cpuset)", allowed - 1)
    } else {
        "widen its CPU mask (taskset, cpuset) or use a machine with more CPUs".to_owned()
    }
}

impl Site {
    /// The CPUs this process may use: the first sends, the rest work, or as many as `workers_max`.
    ///
    /// # Errors
    /// When there are too few.
    pub fn of_this_process(workers_max: Option<usize>) -> Result<Self, SiteError> {
        Self::of(&affinity::allowed()?, workers_max)
    }

    fn of(allowed: &CpuSet, workers_max: Option<usize>) -> Result<Self, SiteError> {
        let workers = workers_max.unwrap_or_else(|| allowed.len().saturating_sub(1).max(1));
        if workers == 0 {
            return Err(SiteError::NoWorkers);
        }
        let needed = workers + 1;
        if allowed.len() < needed {
            return Err(SiteError::TooFew { allowed: allowed.len(), needed, workers });
        }
        let mut cpus = allowed.iter();
        let generator = cpus.next().expect("there are at least two");
        Ok(Self { generator, workers: cpus.take(workers).collect() })
    }

    /// The worker CPUs as a set.
    #[must_use]
    pub fn worker_set(&self) -> CpuSet {
        self.workers.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(list: &str, workers_max: Option<usize>) -> Result<Site, SiteError> {
        Site::of(&CpuSet::parse(list).unwrap(), workers_max)
    }

    #[test]
    fn the_first_cpu_sends_and_the_rest_work() {
        let all = site("1,3-5", None).unwrap();
        assert_eq!((all.generator, all.workers.len()), (CpuId(1), 3));
        assert_eq!(site("1,3-5", Some(1)).unwrap().workers, [CpuId(3)]);
        assert_eq!(site("0-1", None).unwrap().workers, [CpuId(1)]);
    }

    #[test]
    fn too_few_cpus_say_what_to_do() {
        let alone = site("0", None).unwrap_err().to_string();
        assert!(alone.contains("need 2") && alone.contains("may use 1"), "{alone}");
        let greedy = site("0-2", Some(3)).unwrap_err().to_string();
        assert!(greedy.contains("--workers 2"), "{greedy}");
        assert!(site("0-2", Some(0)).unwrap_err().to_string().contains("--workers 0"));
    }
}
