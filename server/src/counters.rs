//! What the dispatcher counts. One writer, many readers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::command::CommandClass;
use crate::connection::Ending;

/// A number that one thread changes and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it. The dispatcher's only: there is one writer, so nothing is lost.
    pub fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    /// Changes it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where a request was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On the dispatcher, for its connection.
    Session,
    /// On the dispatcher, as it is quickly done.
    Inline,
    /// On a worker.
    Worker,
}

impl Stage {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Session, Self::Inline, Self::Worker];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Inline => "inline",
            Self::Worker => "worker",
        }
    }
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too much was under way.
    Overloaded,
    /// Its deadline passed before it began.
    Expired,
    /// The server is going down.
    ShuttingDown,
}

impl Refusal {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Overloaded, Self::Expired, Self::ShuttingDown];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Expired => "expired",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections there are.
    pub clients: Counter,
    /// Connections there were.
    pub accepted: Counter,
    /// Clients that could not be accepted, for want of descriptors or memory.
    pub accept_failures: Counter,
    /// Connections that ended, by [`Ending`].
    pub endings: [Counter; Ending::ALL.len()],
    /// Requests begun, by [`Stage`].
    pub requests: [Counter; Stage::ALL.len()],
    /// Requests turned away, by class and [`Refusal`].
    pub refusals: [[Counter; Refusal::ALL.len()]; CommandClass::ALL.len()],
    /// Requests under way, by class.
    pub in_flight: [Counter; CommandClass::ALL.len()],
    /// Requests that may be under way, by class.
    pub window: [Counter; CommandClass::ALL.len()],
    /// Bytes received over connections.
    pub bytes_in: Counter,
    /// Bytes sent over connections.
    pub bytes_out: Counter,
    /// Bytes in the buffers of all connections.
    pub buffered_bytes: Counter,
    /// Datagrams received.
    pub datagrams_in: Counter,
    /// Datagrams for which the kernel had no room, as the server was behind.
    pub datagrams_dropped: Counter,
    /// Datagrams that hold no request.
    pub datagrams_bad: Counter,
    /// Replies that no datagram could carry, or the socket did not take.
    pub datagrams_lost: Counter,
    /// Replies whose client had gone.
    pub replies_lost: Counter,
}

impl Counters {
    /// Counts a request that was turned away.
    pub fn refuse(&self, class: CommandClass, refusal: Refusal) {
        self.refusals[class.index()][refusal as usize].add(1);
    }
}

impl Counters {
    /// INFO's section of clients.
    pub fn write_clients(&self, out: &mut String) {
        *out += &format!("connected_clients:{}\r\n", self.clients.get());
    }

    /// INFO's section of totals.
    pub fn write_totals(&self, out: &mut String) {
        let sum = |counters: &[Counter]| counters.iter().map(Counter::get).sum::<u64>();
        let refused: u64 = self.refusals.iter().map(|by_reason| sum(by_reason)).sum();
        let rejected = self.endings[Ending::Refused as usize].get();
        for (name, value) in [
            ("total_connections_received", self.accepted.get()),
            ("total_commands_processed", sum(&self.requests)),
            ("total_net_input_bytes", self.bytes_in.get()),
            ("total_net_output_bytes", self.bytes_out.get()),
            ("rejected_connections", rejected),
            ("refused_requests", refused),
        ] {
            *out += &format!("{name}:{value}\r\n");
        }
    }
}
