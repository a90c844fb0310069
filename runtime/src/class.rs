//! Request classes: what a service says of its requests once, at start-up.

use std::time::Duration;

use crate::hint::Tier;

/// A class of requests that resemble each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Class {
    /// The latency the service promises for it. Shown beside what was measured; policies that know
    /// deadlines use it.
    pub slo: Option<Duration>,
    /// Requests of it that are not answered this long after their arrival are worthless: they are
    /// rejected as expired instead of being begun, and told so while they run.
    pub deadline: Option<Duration>,
    /// How many may be accepted and not over; more are rejected as overloaded.
    pub in_flight_max: usize,
    /// Whether somebody waits for it.
    pub tier: Tier,
    /// Relative share among equals.
    pub weight: u16,
}

/// In flight at most, unless the class says otherwise.
const IN_FLIGHT_MAX: usize = 4096;

impl Default for Class {
    fn default() -> Self {
        Self {
            slo: None,
            deadline: None,
            in_flight_max: IN_FLIGHT_MAX,
            tier: Tier::LatencyCritical,
            weight: 1,
        }
    }
}

impl Class {
    /// Latency-critical, with a promise of `us` microseconds.
    pub fn slo_us(us: u64) -> Self {
        Self { slo: Some(Duration::from_micros(us)), ..Self::default() }
    }

    /// Gets the CPU time nobody else wants, and loses it at once when somebody does; 1 % at least.
    pub fn batch() -> Self {
        Self { tier: Tier::Batch, ..Self::default() }
    }

    /// The same class with a deadline.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// The same class with a bound on how many are in flight.
    #[must_use]
    pub fn in_flight_max(self, in_flight_max: usize) -> Self {
        Self { in_flight_max, ..self }
    }

    /// The same class with another weight.
    #[must_use]
    pub fn weight(self, weight: u16) -> Self {
        Self { weight, ..self }
    }
}
