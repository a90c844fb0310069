//! A connection: what came and is not yet a request, what is under way, what waits to be sent. No
//! I/O: the dispatcher moves the bytes.
//!
//! | edge | from | to | when |
//! |---|---|---|---|
//! | `end_input` | open | half-closed | the peer closed its side: what it asked for is answered |
//! | `finish` | open, half-closed | closing | QUIT, a broken frame: what is written is sent, no more |
//! | `cut` | any | dead | the peer is gone, or harms others: nothing is sent any more |

mod inbox;

pub use inbox::Inbox;

use revenant_wire::Protocol;

use crate::session::Session;

/// Why a connection ended. Counted, each on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The client closed it.
    ClientLeft,
    /// The client said QUIT.
    Quit,
    /// The network or the peer broke it.
    Broken,
    /// What it sent has no frames.
    ProtocolError,
    /// Too many clients.
    Refused,
    /// Its client did not read, and too much piled up.
    OutputOverflow,
    /// It held more than its share, and all together too much.
    BuffersFull,
    /// Its client stopped reading for too long.
    SlowReader,
    /// Its client began a request and did not finish it in time.
    SlowSender,
    /// Nothing came for too long.
    Idle,
    /// The server went down.
    Shutdown,
}

impl Ending {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::ClientLeft,
        Self::Quit,
        Self::Broken,
        Self::ProtocolError,
        Self::Refused,
        Self::OutputOverflow,
        Self::BuffersFull,
        Self::SlowReader,
        Self::SlowSender,
        Self::Idle,
        Self::Shutdown,
    ];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::Quit => "quit",
            Self::Broken => "broken",
            Self::ProtocolError => "protocol_error",
            Self::Refused => "refused",
            Self::OutputOverflow => "output_overflow",
            Self::BuffersFull => "buffers_full",
            Self::SlowReader => "slow_reader",
            Self::SlowSender => "slow_sender",
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
        }
    }
}

/// How far a connection is on its way from open to gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    HalfClosed,
    Closing(Ending),
    Dead(Ending),
}

/// See the module.
#[derive(Debug)]
pub struct Connection {
    /// What commands know of it.
    pub session: Session,
    /// What came and is not yet a request.
    pub inbox: Inbox,
    /// Replies that wait until the socket takes a buffer.
    pub output: Vec<u8>,
    /// Places of its requests on workers, in [`crate::job::Jobs`].
    pub jobs: Vec<u32>,
    /// The transport receives for it.
    pub is_receiving: bool,
    /// Bytes the transport is sending.
    pub sending_bytes: usize,
    /// Bytes of its buffers that the dispatcher has booked.
    pub booked_bytes: usize,
    /// Something of it has changed, and the dispatcher knows.
    pub is_dirty: bool,
    protocol: Option<Protocol>,
    phase: Phase,
    times: Times,
}

/// When things last happened, for the patrol.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Something came or went.
    active_ns: u64,
    /// The incomplete frame began, if there is one.
    frame_ns: Option<u64>,
    /// The socket last took a buffer, or none was waiting.
    sent_ns: u64,
}

/// How much patience and memory a connection may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests of one native connection that are under way at a time.
    pub jobs_max: usize,
    /// Bytes of one request.
    pub frame_max: usize,
    /// Bytes that wait to be sent; more cut the connection.
    pub output_max: usize,
    /// Nothing comes or goes for this long: the connection is closed. `None`: never.
    pub idle_ns: Option<u64>,
    /// A request takes longer than this to come.
    pub frame_ns: u64,
    /// The client does not read for this long, and something waits to be sent.
    pub stall_ns: u64,
}

/// Unsent bytes beyond which a connection's next request is not begun. Halved, fast pipelines would
/// pause; doubled, ten thousand clients that do not read would hold twice the memory.
const OUTPUT_PAUSE_BYTES: usize = 64 << 10;

/// Bytes that wait for an earlier request to end, beyond which nothing is received.
const INBOX_PAUSE_BYTES: usize = 64 << 10;

/// How long what is under way goes on for a client that has closed its side: it may be waiting for
/// the last replies, or it may have gone, which looks the same.
const LINGER_NS: u64 = 1_000_000_000;

impl Connection {
    /// A new one.
    pub fn new(session: Session, now_ns: u64) -> Self {
        Self {
            session,
            inbox: Inbox::default(),
            output: Vec::new(),
            jobs: Vec::new(),
            is_receiving: false,
            sending_bytes: 0,
            booked_bytes: 0,
            is_dirty: false,
            protocol: None,
            phase: Phase::Open,
            times: Times { active_ns: now_ns, frame_ns: None, sent_ns: now_ns },
        }
    }

    /// The peer closed its side.
    pub fn end_input(&mut self, now_ns: u64) {
        if self.phase == Phase::Open {
            self.phase = Phase::HalfClosed;
            self.times.active_ns = now_ns;
        }
    }

    /// Sends what is written, and then ends.
    pub fn finish(&mut self, ending: Ending) {
        if matches!(self.phase, Phase::Open | Phase::HalfClosed) {
            self.phase = Phase::Closing(ending);
        }
    }

    /// Ends at once.
    pub fn cut(&mut self, ending: Ending) {
        if !matches!(self.phase, Phase::Dead(_)) {
            self.phase = Phase::Dead(ending);
        }
    }

    /// What it speaks; its first byte tells.
    pub fn protocol(&mut self, first: u8) -> Protocol {
        *self.protocol.get_or_insert_with(|| Protocol::of_first_byte(first))
    }

    /// Whether its next request may begin: one after another in RESP, many at a time in native
    /// frames, none while its client does not read.
    pub fn may_begin(&self, allowance: &Allowance) -> bool {
        let jobs_max = match self.protocol {
            Some(Protocol::Native) => allowance.jobs_max,
            _ => 1,
        };
        matches!(self.phase, Phase::Open | Phase::HalfClosed)
            && self.jobs.len() < jobs_max
            && self.unsent_bytes() < OUTPUT_PAUSE_BYTES
    }

    /// Whether more input is welcome.
    pub fn wants_input(&self, allowance: &Allowance) -> bool {
        let has_room = self.may_begin(allowance) || self.inbox.len() < INBOX_PAUSE_BYTES;
        self.phase == Phase::Open && has_room && self.unsent_bytes() < OUTPUT_PAUSE_BYTES
    }

    /// Bytes that its client has not taken.
    pub fn unsent_bytes(&self) -> usize {
        self.sending_bytes + self.output.len()
    }

    /// Bytes that its buffers hold, in either direction.
    pub fn held_bytes(&self) -> usize {
        self.inbox.held_bytes() + self.unsent_bytes()
    }

    /// Whether there is nothing to do for it until something comes.
    pub fn is_at_rest(&self) -> bool {
        let has_nothing = self.output.is_empty() && self.inbox.is_empty();
        self.phase == Phase::Open && self.is_receiving && has_nothing
    }

    /// Why it is over, if it is: nothing is left to do for it.
    pub fn ending(&self, allowance: &Allowance) -> Option<Ending> {
        let is_sent = self.unsent_bytes() == 0;
        match self.phase {
            Phase::Dead(ending) => Some(ending),
            _ if self.unsent_bytes() > allowance.output_max => Some(Ending::OutputOverflow),
            Phase::Closing(ending) => is_sent.then_some(ending),
            Phase::HalfClosed => (is_sent && self.jobs.is_empty()).then_some(Ending::ClientLeft),
            Phase::Open => None,
        }
    }

    /// Bytes came.
    pub fn note_input(&mut self, now_ns: u64) {
        self.times.active_ns = now_ns;
    }

    /// What is left of the input, after all complete requests were taken out, is the beginning of
    /// one, or nothing.
    pub fn note_frame(&mut self, is_incomplete: bool, now_ns: u64) {
        let since_ns = self.times.frame_ns.unwrap_or(now_ns);
        self.times.frame_ns = is_incomplete.then_some(since_ns);
    }

    /// The next frame begins anew.
    pub fn note_frame_end(&mut self) {
        self.times.frame_ns = None;
    }

    /// The socket took a buffer, or gets one while none was waiting.
    pub fn note_output(&mut self, now_ns: u64) {
        (self.times.active_ns, self.times.sent_ns) = (now_ns, now_ns);
    }

    /// Why its patience is over, if it is.
    pub fn overdue(&self, now_ns: u64, allowance: &Allowance) -> Option<Ending> {
        let is_over =
            |since_ns: u64, patience_ns: u64| now_ns.saturating_sub(since_ns) > patience_ns;
        if self.unsent_bytes() > 0 && is_over(self.times.sent_ns, allowance.stall_ns) {
            return Some(Ending::SlowReader);
        }
        if self.phase == Phase::HalfClosed && is_over(self.times.active_ns, LINGER_NS) {
            return Some(Ending::ClientLeft);
        }
        let is_waiting = self.jobs.is_empty() && self.unsent_bytes() == 0;
        if is_waiting && self.times.frame_ns.is_some_and(|since| is_over(since, allowance.frame_ns))
        {
            return Some(Ending::SlowSender);
        }
        let idle_ns = allowance.idle_ns?;
        (is_waiting && is_over(self.times.active_ns, idle_ns)).then_some(Ending::Idle)
    }
}

#[cfg(test)]
mod tests;
