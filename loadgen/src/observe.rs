//! What a run cost the server: its CPU time from /proc, and the counters it publishes, read at the
//! borders of the part that counts.

mod metrics;
mod process;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::Clock;
use crate::endpoint::{Endpoint, EndpointError};

/// Why a server cannot be observed.
#[derive(Debug, Error)]
pub enum ObserverError {
    /// There is no such process, or its times cannot be read.
    #[error("--server-pid {pid}: {reason}; give the id of the server's process on this machine")]
    Process {
        /// The id.
        pid: u32,
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers at the address of the metrics.
    #[error("--metrics: {0}")]
    Metrics(#[from] EndpointError),
    /// What answers is no text of metrics.
    #[error("--metrics {endpoint}: {reason}; give the address the server has under --metrics")]
    Text {
        /// The address.
        endpoint: Endpoint,
        /// What is wrong.
        reason: String,
    },
}

/// Reads a server's expenses.
#[derive(Clone, Debug)]
pub struct Observer {
    clock: Clock,
    pid: Option<u32>,
    metrics: Option<Endpoint>,
}

/// One reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    at_ns: u64,
    cpu_ns: Option<u64>,
    counters: BTreeMap<String, f64>,
}

/// What a server spent between two readings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Time between the readings.
    pub seconds: f64,
    /// CPUs it kept busy, of its process id.
    pub cpus: Option<f64>,
    /// CPU time a request.
    pub cpu_us_per_request: Option<f64>,
    /// By how much its counters rose.
    pub counters: BTreeMap<String, f64>,
}

impl Observer {
    /// Of a process and of an address, as far as they are given; reads both once, so that faults
    /// show before the run. `None` if there is nothing to observe.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn new(pid: Option<u32>, metrics: Option<Endpoint>) -> Result<Option<Self>, ObserverError> {
        if pid.is_none() && metrics.is_none() {
            return Ok(None);
        }
        let observer = Self { clock: Clock::start(), pid, metrics };
        observer.read()?;
        Ok(Some(observer))
    }

    pub(crate) fn read(&self) -> Result<Reading, ObserverError> {
        let cpu_ns = self.pid.map(process::cpu_ns).transpose()?;
        let counters = self.metrics.as_ref().map(metrics::counters).transpose()?;
        let at_ns = self.clock.now_ns();
        Ok(Reading { at_ns, cpu_ns, counters: counters.unwrap_or_default() })
    }
}

impl Reading {
    /// What was spent from `earlier` until this one, in which `requests` were answered.
    pub(crate) fn since(&self, earlier: &Self, requests: u64) -> Observed {
        let cpu_ns = self.cpu_ns.zip(earlier.cpu_ns).map(|(now, then)| now.saturating_sub(then));
        let passed_ns = self.at_ns.saturating_sub(earlier.at_ns).max(1);
        let per_request = |cpu_ns: u64| cpu_ns as f64 / 1e3 / requests as f64;
        let risen = self.counters.iter().filter_map(|(name, now)| {
            let risen = now - earlier.counters.get(name).copied().unwrap_or(0.0);
            (risen != 0.0 && risen.is_finite()).then(|| (name.clone(), risen))
        });
        Observed {
            seconds: passed_ns as f64 / 1e9,
            cpus: cpu_ns.map(|cpu_ns| cpu_ns as f64 / passed_ns as f64),
            cpu_us_per_request: cpu_ns.filter(|_| requests > 0).map(per_request),
            counters: risen.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_readings_make_an_expense() {
        let reading = |at_ns, cpu_ns, runs| Reading {
            at_ns,
            cpu_ns: Some(cpu_ns),
            counters: BTreeMap::from([("runs_total".into(), runs), ("idle_total".into(), 1.0)]),
        };
        let (before, after) = (reading(0, 100, 5.0), reading(2_000_000_000, 1_000_000_100, 9.0));
        let observed = after.since(&before, 1_000);
        assert_eq!((observed.cpus, observed.cpu_us_per_request), (Some(0.5), Some(1_000.0)));
        assert_eq!(observed.counters, BTreeMap::from([("runs_total".into(), 4.0)]));
        assert_eq!(after.since(&before, 0).cpu_us_per_request, None);
    }

    #[test]
    fn what_cannot_be_observed_says_so_before_the_run() {
        assert!(Observer::new(None, None).unwrap().is_none());
        assert!(Observer::new(Some(std::process::id()), None).unwrap().is_some());
        let error = Observer::new(Some(u32::MAX), None).unwrap_err().to_string();
        assert!(error.contains("--server-pid 4294967295"), "{error}");
    }
}
