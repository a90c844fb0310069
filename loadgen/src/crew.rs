//! Load from several machines: a coordinator and its agents. This file is the coordinator.

mod agent;
mod frame;
mod message;

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use thiserror::Error;

pub use agent::{Agent, AgentError};

use message::{Order, Report, VERSION};

use crate::endpoint::CONNECT_TIMEOUT;
use crate::experiment::{ExperimentError, Running, Source, seed_of_run};
use crate::generator::Measured;
use crate::job::{Job, Pace};
use crate::live::{Glance, Live};

/// Most agents: each costs the coordinator a thread.
pub const AGENTS_MAX: usize = 64;

/// How long an agent may take to get ready: connecting 10 000 times takes seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an agent may be silent in a run; it speaks twice a second.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How often a stop is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why agents did not do what they were asked for.
#[derive(Debug, Error)]
pub enum CrewError {
    /// Too many.
    #[error("{count} agents: at most {AGENTS_MAX} work together")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Nobody answers there.
    #[error(
        "cannot reach agent {agent}: {source}; does `revenant-loadgen agent --listen {agent}` run \
         there, and may this machine connect to it?"
    )]
    Unreachable {
        /// Its address.
        agent: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It speaks another version.
    #[error(
        "agent {agent} speaks version {version}, this is {VERSION}: use one release everywhere"
    )]
    Version {
        /// Its address.
        agent: String,
        /// What it speaks.
        version: u32,
    },
    /// It could not do the job.
    #[error("agent {agent}: {reason}")]
    Failed {
        /// Its address.
        agent: String,
        /// Its words.
        reason: String,
    },
    /// The conversation broke.
    #[error("agent {agent} fell silent: {source}; its results are lost, start again")]
    Lost {
        /// Its address.
        agent: String,
        /// What happened.
        source: io::Error,
    },
}

/// Agents that work together.
#[derive(Debug)]
pub struct Crew {
    addresses: Vec<String>,
}

/// One agent, ready to begin.
#[derive(Debug)]
struct Member {
    address: String,
    stream: TcpStream,
}

impl Crew {
    /// Of agents at these addresses.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new(addresses: &[String]) -> Result<Self, CrewError> {
        if addresses.len() > AGENTS_MAX {
            return Err(CrewError::TooMany { count: addresses.len() });
        }
        Ok(Self { addresses: addresses.to_vec() })
    }

    /// The part of a job that the agent with this index does. Poisson streams of equal rate add up
    /// to a Poisson stream, so the sum is what was asked for.
    fn part(&self, job: &Job, index: usize) -> Job {
        let mut part = job.clone();
        if let Pace::Open { rate_rps, .. } = &mut part.pace {
            *rate_rps /= self.addresses.len() as f64;
        }
        part.seed = seed_of_run(job.seed, 1 + index as u64);
        part
    }
}

impl Source for Crew {
    fn start(&mut self, job: &Job, live: &Arc<Live>) -> Result<Running, ExperimentError> {
        let mut members = Vec::with_capacity(self.addresses.len());
        for (index, address) in self.addresses.iter().enumerate() {
            let mut member = Member::reach(address)?;
            let order = Order::Prepare { version: VERSION, job: Box::new(self.part(job, index)) };
            member.send(&order)?;
            members.push(member);
        }
        for member in &mut members {
            member.expect_ready()?;
        }
        for member in &mut members {
            member.send(&Order::Go)?;
        }
        let live = Arc::clone(live);
        let builder = thread::Builder::new().name("coordinator".to_owned());
        let gather = move || gather(members, &live);
        builder.spawn(gather).map_err(ExperimentError::Thread)
    }
}

/// Waits for all, and merges what they measured.
fn gather(members: Vec<Member>, live: &Arc<Live>) -> Result<Measured, ExperimentError> {
    let (tell, hear) = channel();
    let count = members.len();
    let listeners: Vec<_> = members
        .into_iter()
        .enumerate()
        .map(|(index, member)| {
            let (tell, live) = (tell.clone(), Arc::clone(live));
            thread::spawn(move || member.follow(index, &tell, &live))
        })
        .collect();
    drop(tell);
    show_sum(count, &hear, live);
    let mut merged: Option<Measured> = None;
    for listener in listeners {
        let part = listener.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        match &mut merged {
            None => merged = Some(part),
            Some(merged) => merge(merged, part),
        }
    }
    Ok(merged.expect("a crew has members: the command line asks for at least one"))
}

/// Shows the sum of what agents show of themselves, until the last is done.
fn show_sum(count: usize, hear: &Receiver<(usize, Glance)>, live: &Live) {
    let mut glances = vec![Glance::default(); count];
    for (index, glance) in hear {
        glances[index] = glance;
        live.show(glances.iter().fold(Glance::default(), |sum, part| Glance {
            sent: sum.sent + part.sent,
            answered: sum.answered + part.answered,
            failed: sum.failed + part.failed,
            in_flight: sum.in_flight + part.in_flight,
            // Of all agents the worst: percentiles do not add up.
            p99_ns: sum.p99_ns.max(part.p99_ns),
        }));
    }
}

fn merge(merged: &mut Measured, part: Measured) {
    for (class, other) in merged.classes.iter_mut().zip(&part.classes) {
        class.merge(other);
    }
    merged.arrival_checks.extend(part.arrival_checks);
    merged.incidents.merge(part.incidents);
}

impl Member {
    fn reach(address: &str) -> Result<Self, CrewError> {
        let unreachable = |source| CrewError::Unreachable { agent: address.to_owned(), source };
        let mut resolved = address.to_socket_addrs().map_err(unreachable)?;
        let first = resolved.next().ok_or_else(|| unreachable(io::ErrorKind::NotFound.into()))?;
        let stream = TcpStream::connect_timeout(&first, CONNECT_TIMEOUT).map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        stream.set_read_timeout(Some(READY_TIMEOUT)).map_err(unreachable)?;
        Ok(Self { address: address.to_owned(), stream })
    }

    fn send(&mut self, order: &Order) -> Result<(), CrewError> {
        frame::send_message(&mut self.stream, order).map_err(|source| self.lost(source))
    }

    fn receive(&mut self) -> Result<Report, CrewError> {
        frame::receive_message(&mut self.stream).map_err(|source| self.lost(source))
    }

    fn expect_ready(&mut self) -> Result<(), CrewError> {
        match self.receive()? {
            Report::Ready { version: VERSION } => Ok(()),
            Report::Ready { version } => {
                Err(CrewError::Version { agent: self.address.clone(), version })
            }
            Report::Failed { reason } => Err(self.failed(reason)),
            Report::Live(_) | Report::Done { .. } => {
                Err(self.failed("it answers out of turn".to_owned()))
            }
        }
    }

    /// Follows the agent through its run, and stops it when it is asked to.
    fn follow(
        mut self,
        index: usize,
        tell: &Sender<(usize, Glance)>,
        live: &Live,
    ) -> Result<Measured, CrewError> {
        let mut silence = Duration::ZERO;
        let mut told_to_stop = false;
        loop {
            if live.is_stopped() && !told_to_stop {
                told_to_stop = true;
                self.send(&Order::Stop)?;
            }
            if !self.has_spoken()? {
                silence += LOOK_EVERY;
                if silence > SILENCE_MAX {
                    return Err(self.lost(io::ErrorKind::TimedOut.into()));
                }
                continue;
            }
            silence = Duration::ZERO;
            match self.receive()? {
                // Nobody hears it when the coordinator goes down; then nobody needs it.
                Report::Live(glance) => drop(tell.send((index, glance))),
                Report::Failed { reason } => return Err(self.failed(reason)),
                Report::Ready { .. } => {
                    return Err(self.failed("it answers out of turn".to_owned()));
                }
                Report::Done { classes: totals, arrival_checks, incidents } => {
                    let classes = message::receive_tallies(&mut self.stream, &totals)
                        .map_err(|source| self.lost(source))?;
                    return Ok(Measured { classes, arrival_checks, incidents });
                }
            }
        }
    }

    /// Waits a moment for the agent's next words.
    fn has_spoken(&mut self) -> Result<bool, CrewError> {
        let peeked = (|| {
            self.stream.set_read_timeout(Some(LOOK_EVERY))?;
            let peeked = self.stream.peek(&mut [0]);
            self.stream.set_read_timeout(Some(SILENCE_MAX))?;
            peeked
        })();
        match peeked {
            Ok(_) => Ok(true),
            Err(error) if is_timeout(&error) => Ok(false),
            Err(source) => Err(self.lost(source)),
        }
    }

    fn lost(&self, source: io::Error) -> CrewError {
        CrewError::Lost { agent: self.address.clone(), source }
    }

    fn failed(&self, reason: String) -> CrewError {
        CrewError::Failed { agent: self.address.clone(), reason }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
