//! Requests on their way through workers and back.
//!
//! # Who has a job
//! The dispatcher, until the runtime has admitted it; the worker that runs it, until it completes;
//! then the dispatcher again, which frees its place. The runtime hands it over in both directions,
//! so its lock is always free: it is there so that the compiler knows, and costs 20 ns.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use revenant::task::TaskId;

use crate::command::{Command, CommandClass};
use crate::request::Request;
use crate::transport::Key;

/// Memory that a free place keeps for the next reply.
const KEPT_BYTES: usize = 16 << 10;

/// What the worker gets, and leaves behind.
#[derive(Debug, Default)]
pub struct Job {
    /// What is asked for.
    pub request: Request,
    /// Which command that is.
    pub command: Option<&'static Command>,
    /// The reply, once it is done.
    pub reply: Vec<u8>,
}

/// Who waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The connection with this key, if it still is the session with this number.
    Connection(Key, u64),
    /// Whoever sent a datagram from this address to this port.
    Datagram(usize, SocketAddr),
    /// Nobody: the reply has been given already.
    Nobody,
}

/// What the dispatcher knows of a job under way.
#[derive(Clone, Copy, Debug)]
pub struct Errand {
    /// Who waits.
    pub origin: Origin,
    /// The id that a native client gave it.
    pub id: Option<u64>,
    /// The class it was admitted under.
    pub class: CommandClass,
    /// Its number in the runtime, once it is admitted.
    pub task: Option<TaskId>,
}

/// The places of jobs, as workers see them.
pub type Places = Arc<[Mutex<Job>]>;

/// The jobs under way, and free places. The dispatcher's.
#[derive(Debug)]
pub struct Jobs {
    places: Places,
    errands: Vec<Option<Errand>>,
    /// The last to be freed is the first to be used: its memory is warm.
    free: Vec<u32>,
}

/// Opens a job. Its lock is free, or its last holder panicked and left a whole, if wrong, reply.
pub fn open(place: &Mutex<Job>) -> MutexGuard<'_, Job> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jobs {
    /// Places for `capacity` jobs.
    pub fn new(capacity: usize) -> Self {
        Self {
            places: (0..capacity).map(|_| Mutex::default()).collect(),
            errands: vec![None; capacity],
            free: (0..capacity as u32).rev().collect(),
        }
    }

    /// The places, for workers.
    pub fn places(&self) -> Places {
        Arc::clone(&self.places)
    }

    /// Puts a job into a free place, taking the request's memory in exchange for another's; `None`:
    /// there is none.
    pub fn put(
        &mut self,
        errand: Errand,
        command: &'static Command,
        request: &mut Request,
    ) -> Option<u32> {
        let place = self.free.pop()?;
        self.errands[place as usize] = Some(errand);
        let mut job = open(&self.places[place as usize]);
        std::mem::swap(&mut job.request, request);
        job.command = Some(command);
        Some(place)
    }

    /// The errand at a place, if there is one.
    pub fn errand_mut(&mut self, place: u32) -> Option<&mut Errand> {
        self.errands.get_mut(place as usize)?.as_mut()
    }

    /// The job at a place that is the dispatcher's.
    pub fn job(&self, place: u32) -> MutexGuard<'_, Job> {
        open(&self.places[place as usize])
    }

    /// Frees the place of a job that is over.
    pub fn free(&mut self, place: u32) {
        if self.errands[place as usize].take().is_none() {
            return;
        }
        let mut job = self.job(place);
        job.request.clear();
        job.reply.clear();
        job.reply.shrink_to(KEPT_BYTES);
        drop(job);
        self.free.push(place);
    }

    /// Jobs under way.
    pub fn len(&self) -> usize {
        self.errands.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Places of all jobs under way.
    pub fn under_way(&self) -> impl Iterator<Item = u32> {
        (0..self.errands.len() as u32).filter(|place| self.errands[*place as usize].is_some())
    }
}
