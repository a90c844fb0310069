//! Open-loop load: what is sent when, what work it does, and what became of it.
//!
//! # Life of a load
//!
//! [`Arrivals`] gives the intended times, a [`Mix`] of classes gives each request its class and its
//! [`ServiceTime`], and both together are written down as a [`Plan`] *before* the run, so that every
//! system under comparison replays the very same requests. The sender sends each at its intended
//! time and never waits for replies; a request that is late is sent late, and says so. A worker
//! does the planned amount of work: [`Calibration`] turns nanoseconds into iterations of a loop,
//! [`Store`] does real lookups and scans. What comes back is a [`Sample`] a request, and a
//! [`Record`] makes histograms of them, per class, from the **intended** time.
//!
//! # Over a network
//!
//! The program `revenant-loadgen` sends the requests of a plan to a server. A [`Job`] says all that
//! a run needs: [`Traffic`] gives classes their operations, [`Keys`] what they name. A [`Generator`]
//! connects, and then spins on one thread: it sends what is due, in the protocol's words, and takes
//! in replies between two sends. Each ends as an [`Outcome`] in a [`ClassTally`] of its class;
//! [`validity`] checks that what was sent is what was asked for. An [`Experiment`] makes one run
//! after another of a [`Source`], this process or a [`Crew`] of agents on other machines, while an
//! [`Observer`] reads what they cost the server. A [`Search`] names the rates to try. All that comes
//! of it is a [`report::document::Document`], and everything shown is made from that.
//!
//! # Why this way
//!
//! - *Latency from the intended time*: a sender that waits for a slow system forgives it exactly
//!   when it is slow (coordinated omission).
//! - *Iterations, not deadlines*: work that spins until a time on the clock goes on "working" while
//!   it is preempted, and so makes every scheduler look perfect.
//! - *Raw and clean*: on shared hardware a CPU is sometimes taken away from the whole process. The
//!   clean percentiles leave out the requests that overlap such a stall; the raw ones stay beside
//!   them, and so does the share left out.
//!
//! Plans, checks, searches and reports are pure and seeded. Two modules read a clock: `stopwatch`,
//! for the two calibrations, and `clock`, for runs over a network.

mod arrivals;
pub mod chart;
mod clock;
pub mod command_line;
mod crew;
mod datagram;
pub mod destination;
mod dialect;
mod duration;
mod endpoint;
mod experiment;
pub mod gaps;
mod generator;
mod interval;
mod job;
mod keys;
mod kv;
mod link;
mod live;
pub mod machine;
mod mix;
mod observe;
mod operation;
pub mod page;
mod plan;
mod preset;
pub mod quantity;
mod record;
pub mod report;
mod sample;
mod search;
mod service;
mod session;
pub mod sheet;
mod stopwatch;
mod tally;
mod trace;
mod traffic;
pub mod validity;
mod window;
mod work;

pub use arrivals::{Arrivals, ArrivalsError, Times};
pub use crew::{AGENTS_MAX, Agent, AgentError, Crew, CrewError};
pub use datagram::DatagramError;
pub use dialect::{ClassField, DialectError, Protocol};
pub use duration::{DurationError, parse_duration_ns};
pub use endpoint::{CONNECT_TIMEOUT, Endpoint, EndpointError, Reach};
pub use experiment::{Experiment, ExperimentError, Here, Running, Source, confine, seed_of_run};
pub use generator::{Generator, GeneratorError, Incidents, Measured};
pub use interval::Interval;
pub use job::{
    CONNECTIONS_MAX, DEPTH_MAX, DURATION_MAX_NS, Job, JobError, Pace, RATE_MAX_RPS, VALUE_MAX,
    ValueSize,
};
pub use keys::{KEY_BYTES, KEYS_MAX, KeyDistribution, KeyDraws, Keys, KeysError, key_name};
pub use kv::{KV_KEYS, SCAN_TARGET_NS, Store, StoreCost};
pub use link::Link;
pub use live::{Glance, Live};
pub use mix::{CLASSES_MAX, Class, Mix, MixError};
pub use observe::{Observed, Observer, ObserverError};
pub use operation::{Operation, OperationError, RANGE_KEYS_MAX, Template};
pub use plan::{Plan, PlanError, PlanSpec, Planned, REQUESTS_MAX, Requests};
pub use preset::{PRESETS, Preset, UnknownPreset, Work};
pub use record::{ClassRecord, LATENCY_MAX_NS, Phase, Record};
pub use sample::{Sample, UNFINISHED_NS};
pub use search::{Found, Objective, ObjectiveError, Search, SearchSpec};
pub use service::{ServiceTime, ServiceTimeError};
pub use session::{Session, SessionError};
pub use tally::{ClassTally, Counts, Outcome, Span, Stamps, all_of};
pub use trace::{Arrival, Trace, TraceError};
pub use traffic::{ALL, Traffic, TrafficError, preset_names, presets};
pub use window::{Window, Windows};
pub use work::{Calibration, CalibrationError};
