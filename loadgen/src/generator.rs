//! The networked generator: one thread that sends each request at its intended time, takes in
//! replies between two sends, and never waits for either.
//!
//! It spins. A thread that sleeps until the next request is late by the time it takes to wake, 20 to
//! 75 us on a virtual machine, more than most of what it is to measure. Sends go first: before each
//! system call that could wait, it looks whether a request is due.

mod connection;
mod ledger;
mod meter;
mod pool;
mod socket;
mod waiting;

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use thiserror::Error;

pub use ledger::{Incidents, Measured};

use connection::{Arrived, Connection};
use ledger::Ledger;
use meter::Meter;
use pool::Pool;
use waiting::Pending;

use crate::clock::Clock;
use crate::dialect::{Encoder, Parts};
use crate::endpoint::{Endpoint, EndpointError, Reach};
use crate::job::{Job, JobError, Pace};
use crate::keys::{KeyDraws, key_name};
use crate::live::Live;
use crate::plan::{Plan, Planned};
use crate::session::{Session, SessionError};
use crate::tally::Outcome;
use crate::trace::Trace;

/// Most requests under way. Beyond it a request is dropped, and counts as such: memory ends
/// somewhere, and a server this far behind is not being measured any more.
const IN_FLIGHT_MAX: usize = 1 << 20;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Most requests sent in a row while replies wait. A generator that is behind would otherwise leave
/// them unread, and blame the server.
const SENDS_MAX: usize = 64;

/// Most reads of a connection in a row, for the same reason: a datagram is a read, and in a closed loop
/// each reply brings about the next.
const READS_MAX: usize = 64;

/// How often lost replies are looked for while one is waited for. At half as many a reply would be
/// waited for a quarter longer than asked for; a look costs some nanoseconds a request under way.
const LOOKS: u64 = 8;

/// Why a run did not come about, or broke.
#[derive(Debug, Error)]
pub enum GeneratorError {
    /// The job cannot be done.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The address cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The server is not ready.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The kernel refused.
    #[error("cannot watch {connections} connections: {source}; is `ulimit -n` large enough?")]
    Watch {
        /// How many.
        connections: u32,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A generator whose connections stand and whose requests are written down.
#[derive(Debug)]
pub struct Generator {
    job: Job,
    plan: Plan,
    encoder: Encoder,
    draws: KeyDraws,
    random: Xoshiro256PlusPlus,
    pool: Pool,
    poll: Poll,
}

impl Generator {
    /// Connects, tries each class once, and plans.
    ///
    /// # Errors
    /// When the job is none, or the server not ready for it.
    pub fn new(job: &Job, trace: Option<&Trace>, reach: Reach) -> Result<Self, GeneratorError> {
        job.validate()?;
        let endpoint = Endpoint::parse(&job.target, reach)?;
        let plan = job.plan(trace)?;
        let value_max = job.values.max as usize;
        let encoder = Encoder::new(job.protocol, &job.traffic, value_max, job.class_field)
            .map_err(SessionError::from)?;
        let open = || Session::open(&endpoint, job.protocol, job.password.as_deref());
        open()?.try_each(&job.traffic, value_max)?;
        let watch = |source| GeneratorError::Watch { connections: job.connections, source };
        let poll = Poll::new().map_err(watch)?;
        let mut connections = Vec::with_capacity(job.connections as usize);
        for token in 0..job.connections as usize {
            let link = open()?.into_link();
            let mut connection = Connection::new(link, job.protocol).map_err(watch)?;
            connection.register(poll.registry(), Token(token)).map_err(watch)?;
            connections.push(connection);
        }
        // Jumps keep the keys apart from times, classes and service times, which the plan draws.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(job.seed);
        random.long_jump();
        Ok(Self {
            job: job.clone(),
            plan,
            encoder,
            draws: job.keys.draws().map_err(JobError::from)?,
            random,
            pool: Pool::new(connections),
            poll,
        })
    }

    /// Sends the requests of the plan and takes in their replies, until all are in, or the time for
    /// them is over, or `live` is asked to stop. Keeps its CPU busy all the while.
    #[must_use]
    pub fn run(self, live: &Live) -> Measured {
        let expected = match self.job.pace {
            // The times of a closed loop are the server's: none are kept for checks.
            Pace::Closed { .. } => usize::MAX,
            _ => {
                let span = self.job.span();
                let requests = self.plan.requests().iter();
                requests.filter(|request| span.contains(request.intended_ns)).count()
            }
        };
        let ledger = Ledger::new(&self.job, expected);
        let meter = Meter::new(live);
        let look_ns = if self.job.is_datagram() { 0 } else { u64::MAX };
        let run = Run {
            next: 0,
            events: Events::with_capacity(self.job.connections as usize),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            generator: self,
            clock: Clock::start(),
            ledger,
            meter,
            look_ns,
        };
        run.finish(live)
    }
}

/// A run under way.
struct Run<'a> {
    generator: Generator,
    clock: Clock,
    ledger: Ledger,
    meter: Meter<'a>,
    /// The next request of the plan.
    next: usize,
    events: Events,
    buffer: Box<[u8]>,
    /// When lost replies are looked for; never on streams, which lose none.
    look_ns: u64,
}

impl Run<'_> {
    fn finish(mut self, live: &Live) -> Measured {
        let end_ns = self.generator.job.span().end_ns;
        let give_up_ns = end_ns + self.generator.job.drain_ns;
        self.begin_closed_loop();
        let interrupted_ns = loop {
            let now_ns = self.now_ns();
            self.ledger.turn(now_ns);
            self.meter.turn(now_ns, self.generator.pool.in_flight());
            self.send_due();
            self.take_in();
            self.go_on_without_lost(now_ns);
            if self.has_sent_all(now_ns, end_ns) && self.generator.pool.in_flight() == 0 {
                break None;
            }
            if now_ns > give_up_ns {
                break None;
            }
            if live.is_stopped() || self.generator.pool.is_empty() {
                break Some(now_ns);
            }
            std::hint::spin_loop();
        };
        self.give_up();
        if interrupted_ns.is_none() {
            self.drop_the_rest();
        }
        self.ledger.close(&self.generator.job, interrupted_ns)
    }

    /// Time since the plan's beginning.
    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn has_sent_all(&self, now_ns: u64, end_ns: u64) -> bool {
        if self.generator.job.pace.is_closed() {
            now_ns >= end_ns
        } else {
            self.next == self.generator.plan.requests().len()
        }
    }

    /// Sends what is due, each at the time it is then.
    fn send_due(&mut self) {
        for _ in 0..SENDS_MAX {
            if !self.send_one_due() {
                return;
            }
        }
    }

    /// Sends the next request if it is due, and says whether it was.
    fn send_one_due(&mut self) -> bool {
        let Some(&planned) = self.generator.plan.requests().get(self.next) else { return false };
        let now_ns = self.now_ns();
        let is_due = planned.intended_ns <= now_ns;
        if is_due {
            self.next += 1;
            self.send(planned, now_ns, None);
        }
        is_due
    }

    /// Sends a request now, on the connection given or the one with the least under way.
    fn send(&mut self, planned: Planned, now_ns: u64, connection: Option<usize>) {
        let Generator { job, encoder, draws, random, pool, .. } = &mut self.generator;
        let pending =
            Pending { class: planned.class, intended_ns: planned.intended_ns, sent_ns: now_ns };
        let chosen = connection.or_else(|| pool.choose());
        let Some(index) = chosen.filter(|_| pool.in_flight() < IN_FLIGHT_MAX) else {
            self.ended(pending, Outcome::Dropped, now_ns);
            return;
        };
        let key = key_name(draws.draw(random));
        let value_len = match job.values {
            size if size.min == size.max => size.max,
            size => random.random_range(size.min..=size.max),
        };
        let class = usize::from(planned.class);
        if pool.under_way(index) > 0 {
            self.ledger.queued(&pending);
        }
        let connection = pool.borrow_to_send(index);
        connection.push(pending, |id, out| {
            let parts = Parts { id, key: &key, value_len: value_len as usize };
            encoder.encode(class, parts, out);
        });
        self.ledger.sent(&pending);
        self.meter.sent();
        if connection.flush().is_err() {
            self.lose(index);
        }
    }

    /// Takes in every reply that has arrived, and sends what becomes due meanwhile.
    fn take_in(&mut self) {
        let polled = self.generator.poll.poll(&mut self.events, Some(Duration::ZERO));
        if polled.is_err() {
            // Interrupted by a signal: the next turn asks again.
            return;
        }
        // The events are borrowed while the rest of the run goes on.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let index = event.token().0;
            if event.is_writable() && self.flush(index).is_err() {
                self.lose(index);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(index);
            }
        }
        self.events = events;
    }

    fn flush(&mut self, index: usize) -> io::Result<()> {
        self.generator.pool.get(index).map_or(Ok(()), Connection::flush)
    }

    fn read(&mut self, index: usize) {
        for _ in 0..READS_MAX {
            self.send_one_due();
            let Some(connection) = self.generator.pool.get(index) else { return };
            let arrived = connection.read(&mut self.buffer);
            let replies = self.take_replies(index);
            match (arrived, replies) {
                (Ok(Arrived::Some), Ok(())) => {}
                (Ok(Arrived::Stray), Ok(())) => self.ledger.incidents.stray_replies += 1,
                (Ok(Arrived::All), Ok(())) => return,
                _ => {
                    self.lose(index);
                    return;
                }
            }
        }
        self.read_later(index);
    }

    /// Leaves the rest of a connection for the next turn.
    fn read_later(&mut self, index: usize) {
        let Generator { pool, poll, .. } = &mut self.generator;
        let Some(connection) = pool.get(index) else { return };
        if connection.register_again(poll.registry(), Token(index)).is_err() {
            self.lose(index);
        }
    }

    /// Books the replies of a connection; an error when its bytes are none.
    fn take_replies(&mut self, index: usize) -> Result<(), ()> {
        // All of them were there when the read returned.
        let now_ns = self.now_ns();
        loop {
            let Some(connection) = self.generator.pool.get(index) else { return Ok(()) };
            let (pending, outcome) = match connection.next_reply() {
                Ok(Some((Some(pending), reply))) => {
                    if let Some(words) = reply.error {
                        self.ledger.error(words);
                    }
                    (pending, reply.outcome)
                }
                Ok(None) => {
                    connection.compact();
                    return Ok(());
                }
                // A reply that nobody asked for: what follows cannot be told apart any more.
                Ok(Some((None, _))) => return Err(()),
                Err(error) => {
                    self.ledger.error(error.to_string().as_bytes());
                    return Err(());
                }
            };
            self.generator.pool.returned(index);
            self.ended(pending, outcome, now_ns);
            self.send_one_due();
            self.send_next_of_closed_loop(index);
        }
    }

    fn ended(&mut self, pending: Pending, outcome: Outcome, now_ns: u64) {
        self.ledger.ended(&pending, outcome, now_ns);
        self.meter.ended(outcome, now_ns.saturating_sub(pending.intended_ns));
    }

    /// A connection is gone, and with it what it had under way.
    fn lose(&mut self, index: usize) {
        let now_ns = self.now_ns();
        let Some(lost) = self.generator.pool.remove(index) else { return };
        self.ledger.incidents.connections_lost += 1;
        for pending in lost {
            self.ended(pending, Outcome::Lost, now_ns);
        }
    }

    /// What a generator that fell behind could not send by the end of its run was dropped. What was
    /// not yet due is no part of an interrupted run.
    fn drop_the_rest(&mut self) {
        let now_ns = self.now_ns();
        while let Some(planned) = self.generator.plan.requests().get(self.next) {
            let Planned { class, intended_ns, .. } = *planned;
            self.next += 1;
            self.ended(Pending { class, intended_ns, sent_ns: now_ns }, Outcome::Dropped, now_ns);
        }
    }

    /// What has no reply by now gets none.
    fn give_up(&mut self) {
        let now_ns = self.now_ns();
        for index in 0..self.generator.job.connections as usize {
            for pending in self.generator.pool.remove(index).unwrap_or_default() {
                self.ended(pending, Outcome::Unanswered, now_ns);
            }
        }
    }

    fn begin_closed_loop(&mut self) {
        let Pace::Closed { depth } = self.generator.job.pace else { return };
        for index in 0..self.generator.job.connections as usize {
            (0..depth).for_each(|_| self.send_next_of_closed_loop(index));
        }
    }

    /// In a closed loop a reply brings about the next request, meant to be sent when it is sent.
    fn send_next_of_closed_loop(&mut self, index: usize) {
        let Generator { job, random, pool, .. } = &mut self.generator;
        // A request before may have found the connection gone.
        if !job.pace.is_closed() || pool.get(index).is_none() {
            return;
        }
        let now_ns = self.clock.now_ns();
        if now_ns < job.span().end_ns {
            let class = job.traffic.mix().draw(random) as u16;
            let planned = Planned { intended_ns: now_ns, class, service_ns: 0 };
            self.send(planned, now_ns, Some(index));
        }
    }

    /// Gives up replies that must have been lost. Otherwise requests that wait for them would come to
    /// the bound on requests under way, and a closed loop would stand still.
    fn go_on_without_lost(&mut self, now_ns: u64) {
        if now_ns < self.look_ns {
            return;
        }
        let job = &self.generator.job;
        self.look_ns = now_ns + job.drain_ns / LOOKS;
        let lost_ns = now_ns.saturating_sub(job.drain_ns);
        for index in 0..job.connections as usize {
            for lost in self.generator.pool.take_sent_before(index, lost_ns) {
                self.ended(lost, Outcome::Unanswered, now_ns);
                self.send_next_of_closed_loop(index);
            }
        }
    }
}
