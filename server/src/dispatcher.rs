//! The dispatcher's half of the server: an ingress of the runtime, so that one thread takes requests
//! in, schedules them and sends their replies.

mod budget;
mod datagram;
mod desk;
mod drain;
mod intake;
mod patrol;

pub use desk::{Desk, Settings};
pub use drain::{Drain, Notice};

use std::fs::File;
use std::time::Duration;

use revenant::backend::threads::Completion;
use revenant::ingress::{Admission, Ingress};

use crate::connection::Ending;
use crate::transport::{Key, Transport};

/// See the module.
#[derive(Debug)]
pub struct Dispatcher<T> {
    transport: T,
    desk: Desk,
    bell: File,
    /// The dirty connections of a turn; its memory is used again.
    round: Vec<Key>,
}

impl<T: Transport> Dispatcher<T> {
    /// Serves `desk`'s clients over `transport`.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn new(transport: T, desk: Desk) -> std::io::Result<Self> {
        let bell = transport.bell()?;
        Ok(Self { transport, desk, bell, round: Vec::new() })
    }

    /// Brings the transport up to date with every connection that something happened to.
    fn settle_all(&mut self, admission: &Admission) {
        std::mem::swap(&mut self.round, &mut self.desk.dirty);
        for index in 0..self.round.len() {
            self.settle(self.round[index], admission);
        }
        self.round.clear();
    }

    fn settle(&mut self, key: Key, admission: &Admission) {
        self.desk.begin_waiting(key, admission);
        let (now_ns, allowance) = (self.desk.now_ns, self.desk.settings.allowance);
        let Some(connection) = self.desk.connection(key) else { return };
        connection.is_dirty = false;
        if connection.sending_bytes == 0 && !connection.output.is_empty() {
            let buffer = std::mem::take(&mut connection.output);
            connection.sending_bytes = buffer.len();
            connection.note_output(now_ns);
            self.transport.send(key, buffer);
        }
        if let Some(ending) = self.desk.ending(key) {
            return self.close(key, ending, admission);
        }
        let Some(connection) = self.desk.connection(key) else { return };
        let wants_input = connection.wants_input(&allowance);
        if wants_input != connection.is_receiving {
            connection.is_receiving = wants_input;
            self.transport.receive(key, wants_input);
        }
    }

    fn close(&mut self, key: Key, ending: Ending, admission: &Admission) {
        self.desk.forget(key, ending, admission);
        self.transport.close(key);
    }

    /// The network as a whole no longer works.
    fn fail(&mut self, error: std::io::Error) {
        tracing::error!(%error, "the network failed");
        self.desk.notify(Notice::NetworkFailed(error));
    }
}

impl<T: Transport> Ingress for Dispatcher<T> {
    fn poll(&mut self, now_ns: u64, admission: &Admission) {
        self.desk.now_ns = now_ns;
        self.settle_all(admission);
        let desk = &mut self.desk;
        if let Err(error) = self.transport.poll(|event| desk.take(event, admission)) {
            self.fail(error);
        }
        self.take_datagrams(admission);
        self.settle_all(admission);
        if let Err(error) = self.transport.flush() {
            self.fail(error);
        }
        if self.desk.patrol() {
            self.transport.retry_accepting();
            self.count_dropped_datagrams();
        }
        self.drain();
    }

    fn completed(&mut self, completion: &Completion) {
        if let Some((port, address)) = self.desk.completed(completion) {
            self.reply_by_datagram(port, address);
        }
    }

    fn next_ns(&self, now_ns: u64) -> Option<u64> {
        self.desk.next_ns(now_ns)
    }

    fn bell(&self) -> Option<File> {
        // Failing to duplicate a descriptor at start-up costs wake-ups; say so by not starting.
        Some(self.bell.try_clone().expect("a descriptor is left for the dispatcher's bell"))
    }

    fn sleep(&mut self, time: Duration) {
        if let Err(error) = self.transport.sleep(time) {
            self.fail(error);
        }
    }
}
