//! What an experiment asks all systems to do: a published workload by name, or a mix as written.

use std::str::FromStr;
use std::thread;

use revenant_loadgen::{
    Calibration, CalibrationError, Mix, MixError, Preset, Store, StoreCost, UnknownPreset, Work,
};
use thiserror::Error;

use crate::affinity::Visit;
use crate::request_work::RequestWork;
use crate::site::Site;

/// A workload as asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadChoice {
    /// Its name, or the mix as written.
    pub name: String,
    mix: Mix,
    work: Work,
}

/// No workload can be made of what was written.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum WorkloadError {
    /// No preset has this name.
    #[error("{0}; or write a mix, as in 99.5:10us,0.5:10ms")]
    Unknown(#[from] UnknownPreset),
    /// The mix is none.
    #[error(transparent)]
    Mix(#[from] MixError),
}

impl FromStr for WorkloadChoice {
    type Err = WorkloadError;

    fn from_str(text: &str) -> Result<Self, WorkloadError> {
        let name = text.to_owned();
        if text.contains(':') {
            return Ok(Self { name, mix: Mix::parse(text)?, work: Work::Spin });
        }
        let preset = Preset::named(text)?;
        Ok(Self { name, mix: preset.mix(), work: preset.work })
    }
}

/// A workload made ready on this machine.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name, or the mix as written.
    pub name: String,
    /// Its classes; measured service times where the work is real.
    pub mix: Mix,
    /// What its requests do.
    pub work: RequestWork,
}

/// The machine could not be measured.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// The worker CPU went away.
    #[error("cannot move to worker CPU {cpu} to calibrate the work: {source}")]
    Cpu {
        /// The CPU.
        cpu: revenant::cpu::CpuId,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// It is too unsteady.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
}

impl WorkloadChoice {
    /// Measures the first worker CPU and makes the workload ready; takes up to 200 ms.
    ///
    /// # Errors
    /// When the CPU is not available, or too unsteady to calibrate.
    pub fn prepare(self, site: &Site) -> Result<Workload, PrepareError> {
        let cpu = site.workers[0];
        let Self { name, mix, work } = self;
        // A thread of its own, born on the CPU it measures.
        let prepare = move || {
            let _visit = Visit::to(cpu).map_err(|source| PrepareError::Cpu { cpu, source })?;
            Ok(match work {
                Work::Spin => {
                    let work = RequestWork::Spin(Calibration::measure()?);
                    Workload { name, mix, work }
                }
                Work::Kv => {
                    let store = Store::new();
                    let cost = StoreCost::measure(&store);
                    Workload { name, mix: cost.mix(), work: RequestWork::Kv { store, cost } }
                }
            })
        };
        thread::spawn(prepare).join().expect("calibrating does not panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_mixes_are_read() {
        let named: WorkloadChoice = "ghost-dispersive".parse().unwrap();
        assert_eq!((named.mix.classes().len(), named.work), (2, Work::Spin));
        let written: WorkloadChoice = "99:10us,1:1ms".parse().unwrap();
        assert_eq!(written.mix.classes()[1].name, "1ms");
        assert_eq!("kv".parse::<WorkloadChoice>().unwrap().work, Work::Kv);
    }

    #[test]
    fn an_unknown_name_is_told_the_names_and_the_form() {
        let error = "dispersive".parse::<WorkloadChoice>().unwrap_err().to_string();
        assert!(error.contains("ghost-dispersive, ") && error.contains("99.5:10us"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn the_store_brings_its_own_service_times() {
        let site = Site::of_this_process(Some(1)).expect("two CPUs to test on");
        let workload = "kv".parse::<WorkloadChoice>().unwrap().prepare(&site).unwrap();
        assert!(workload.mix.classes()[1].service.mean_ns() > 1e6);
    }
}
