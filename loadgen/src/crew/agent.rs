//! An agent: waits for coordinators, one after the other, and does their jobs.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::frame;
use super::is_timeout;
use super::message::{self, Order, Report, VERSION};
use crate::experiment::{Here, Running};
use crate::live::Live;

/// How long a coordinator may be silent before it has everybody ready.
const ORDER_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two reports of a run.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// Why an agent cannot wait.
#[derive(Debug, Error)]
#[error(
    "cannot listen on {address}: {source}; is another agent there, or is it no address of ours?"
)]
pub struct AgentError {
    /// The address.
    pub address: String,
    /// What the kernel said.
    pub source: io::Error,
}

/// Waits for coordinators.
#[derive(Debug)]
pub struct Agent {
    listener: TcpListener,
    here: Here,
}

impl Agent {
    /// At an address, with this generator.
    ///
    /// # Errors
    /// When it is taken, or not ours.
    pub fn listen(address: &str, here: Here) -> Result<Self, AgentError> {
        let error = |source| AgentError { address: address.to_owned(), source };
        Ok(Self { listener: TcpListener::bind(address).map_err(error)?, here })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits for the next coordinator.
    ///
    /// # Errors
    /// When the kernel lets nobody in any more.
    pub fn accept(&self) -> io::Result<TcpStream> {
        self.listener.accept().map(|(stream, _)| stream)
    }

    /// Serves a coordinator to its end; an error is about that one alone.
    ///
    /// # Errors
    /// When the conversation breaks.
    pub fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ORDER_TIMEOUT))?;
        let job = match frame::receive_message(&mut stream)? {
            Order::Prepare { version: VERSION, job } => job,
            Order::Prepare { .. } => {
                return frame::send_message(&mut stream, &Report::Ready { version: VERSION });
            }
            Order::Go | Order::Stop => return Err(out_of_turn()),
        };
        let live = Arc::new(Live::default());
        let prepared = match self.here.prepare(&job) {
            Ok(prepared) => prepared,
            Err(error) => {
                let reason = error.to_string();
                return frame::send_message(&mut stream, &Report::Failed { reason });
            }
        };
        frame::send_message(&mut stream, &Report::Ready { version: VERSION })?;
        let Order::Go = frame::receive_message(&mut stream)? else { return Err(out_of_turn()) };
        match self.here.begin(prepared, &live) {
            Ok(running) => report(&mut stream, running, &live),
            Err(error) => {
                frame::send_message(&mut stream, &Report::Failed { reason: error.to_string() })
            }
        }
    }
}

/// Reports while a run goes on, and what came of it. A coordinator that goes away ends the run.
fn report(stream: &mut TcpStream, running: Running, live: &Live) -> io::Result<()> {
    stream.set_read_timeout(Some(REPORT_EVERY))?;
    while !running.is_finished() {
        if frame::send_message(stream, &Report::Live(live.glance())).is_err() {
            live.stop();
            break;
        }
        match stream.peek(&mut [0]) {
            Err(error) if is_timeout(&error) => {}
            // Whatever it says now, or its end, means that it wants no more.
            Ok(_) | Err(_) => {
                live.stop();
                break;
            }
        }
    }
    let measured = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match measured {
        Ok(measured) => message::send_measured(stream, &measured),
        Err(error) => frame::send_message(stream, &Report::Failed { reason: error.to_string() }),
    }
}

fn out_of_turn() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a coordinator that speaks out of turn")
}
