//! Arrivals for tests and studies of the simulator itself.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::work::Arrival;
use crate::hint::{ClassId, Tier};

/// How much CPU time the tasks of a class take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Service {
    /// Always the same.
    Fixed {
        /// How much.
        ns: u64,
    },
    /// Exponentially distributed.
    Exponential {
        /// Its mean.
        mean_ns: u64,
    },
}

impl Service {
    /// Its mean.
    pub const fn mean_ns(self) -> u64 {
        match self {
            Self::Fixed { ns } | Self::Exponential { mean_ns: ns } => ns,
        }
    }

    fn draw(self, random: &mut Xoshiro256PlusPlus) -> u64 {
        match self {
            Self::Fixed { ns } => ns,
            Self::Exponential { mean_ns } => (exponential(random) * mean_ns as f64).round() as u64,
        }
    }
}

/// Tasks that are alike. A class's id is its place in the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceClass {
    /// Its share of all tasks; shares need not add up to 1.
    pub share: f64,
    /// Its CPU time.
    pub service: Service,
}

/// Poisson arrivals without end, of latency-critical tasks.
#[derive(Clone, Debug)]
pub struct Poisson {
    random: Xoshiro256PlusPlus,
    classes: Vec<ServiceClass>,
    shares: f64,
    gap_mean_ns: f64,
    time_ns: f64,
}

impl Poisson {
    /// Arrivals that keep `cpus` CPUs busy for `load` of the time.
    ///
    /// # Panics
    /// If there is no class, or no load.
    pub fn at_load(load: f64, cpus: usize, classes: &[ServiceClass], seed: u64) -> Self {
        assert!(load > 0.0 && !classes.is_empty(), "no load to offer");
        let shares: f64 = classes.iter().map(|class| class.share).sum();
        let work: f64 =
            classes.iter().map(|class| class.share * class.service.mean_ns() as f64).sum();
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            classes: classes.to_vec(),
            shares,
            gap_mean_ns: work / shares / (load * cpus as f64),
            time_ns: 0.0,
        }
    }

    fn pick(&mut self) -> usize {
        let mut left = self.random.random::<f64>() * self.shares;
        for (index, class) in self.classes.iter().enumerate() {
            left -= class.share;
            if left < 0.0 {
                return index;
            }
        }
        self.classes.len() - 1
    }
}

impl Iterator for Poisson {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.time_ns += exponential(&mut self.random) * self.gap_mean_ns;
        let class = self.pick();
        Some(Arrival {
            time_ns: self.time_ns.round() as u64,
            service_ns: self.classes[class].service.draw(&mut self.random).max(1),
            class: ClassId(class as u16),
            tier: Tier::LatencyCritical,
        })
    }
}

/// A draw of mean 1, by inversion; `random` is below 1, so the logarithm is finite.
fn exponential(random: &mut Xoshiro256PlusPlus) -> f64 {
    -(1.0 - random.random::<f64>()).ln()
}
