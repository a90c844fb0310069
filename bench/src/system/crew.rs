//! A crew: parked threads that take one request at a time.
//!
//! The generator, as the crew's foreman, gives a request to the thread that became idle last, its
//! stack being the warmest, and wakes it. When all threads are at work, requests queue, and a thread
//! that is done takes the next one without sleeping.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, Builder, Scope, Thread};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;

use crate::affinity;
use crate::discipline::Discipline;
use crate::replay::{Before, Replay};

/// Threads of a crew. At load 0.9 of the dispersive mix some 60 long requests are in flight; more
/// threads than this mean overload, where any pool has to queue.
pub(super) const THREADS: u16 = 256;

/// Enough for a request and the standard library below it.
const STACK_BYTES: usize = 128 * 1024;

/// What a thread's slot holds beside requests, which lie far below.
const NOTHING: u32 = u32::MAX;
const GO_HOME: u32 = u32::MAX - 1;
/// Marks a request sent to an idle CPU.
const TO_IDLE: u32 = 1 << 31;
const _: () = assert!(revenant_loadgen::REQUESTS_MAX < TO_IDLE as usize - 2);

/// What the threads of a crew and their foreman share.
#[derive(Debug)]
pub(super) struct Crew {
    /// What each thread is told: written by the foreman, emptied by the thread.
    slots: Box<[CachePadded<AtomicU32>]>,
    /// Threads that found nothing more to do.
    idle: ArrayQueue<u16>,
    /// Requests that found no idle thread.
    waiting: ArrayQueue<u32>,
}

impl Crew {
    /// A crew without threads, for a plan of so many requests: all of them may have to wait.
    pub(super) fn new(requests: usize) -> Self {
        let slot = || CachePadded::new(AtomicU32::new(NOTHING));
        Self {
            slots: (0..THREADS).map(|_| slot()).collect(),
            idle: ArrayQueue::new(usize::from(THREADS)),
            waiting: ArrayQueue::new(requests.max(1)),
        }
    }

    /// The life of one thread.
    fn work(&self, thread: u16, replay: &Replay<'_>) {
        let slot = &self.slots[usize::from(thread)];
        loop {
            // Acquire pairs with the foreman's Release in `hand`: what he knew of the run is seen.
            match slot.swap(NOTHING, Ordering::Acquire) {
                NOTHING => thread::park(),
                GO_HOME => return,
                told => {
                    let before = if told & TO_IDLE == 0 { Before::Busy } else { Before::Idle };
                    replay.serve(told & !TO_IDLE, before);
                    while let Some(request) = self.waiting.pop() {
                        replay.serve(request, Before::Busy);
                    }
                    self.idle.push(thread).expect("a thread is in the queue at most once");
                }
            }
        }
    }
}

/// The generator's side of a crew.
#[derive(Debug)]
pub(super) struct Foreman<'a> {
    crew: &'a Crew,
    threads: Vec<Thread>,
    /// Idle threads, the latest on top.
    idle: Vec<u16>,
    waited: u64,
}

impl<'a> Foreman<'a> {
    /// The foreman of a crew that is still to be hired.
    pub(super) fn new(crew: &'a Crew) -> Self {
        let threads = Vec::with_capacity(usize::from(THREADS));
        Self { crew, threads, idle: (0..THREADS).collect(), waited: 0 }
    }

    /// Starts the threads and waits until each of them is scheduled as asked. After an error, those
    /// that started are still to be dismissed.
    ///
    /// # Errors
    /// When a thread cannot be started, moved or scheduled so.
    pub(super) fn hire<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        replay: &'a Replay<'a>,
        discipline: Discipline,
    ) -> io::Result<()>
    where
        'a: 'scope,
    {
        let cpus = replay.run.site.worker_set();
        let (ready, settled) = mpsc::channel();
        for thread in 0..THREADS {
            let (crew, ready) = (self.crew, ready.clone());
            let body = move || {
                let settled = affinity::confine(&cpus).and_then(|()| discipline.adopt());
                let failed = settled.is_err();
                // Nobody listens any more after the first failure.
                let _ = ready.send(settled);
                // The foreman waits until all have reported.
                drop(ready);
                if !failed {
                    crew.work(thread, replay);
                }
            };
            let builder = Builder::new().name(format!("crew-{thread}")).stack_size(STACK_BYTES);
            self.threads.push(builder.spawn_scoped(scope, body)?.thread().clone());
        }
        drop(ready);
        settled.into_iter().collect()
    }

    /// Gives a request to an idle thread, or has it wait for one.
    pub(super) fn send(&mut self, request: u32, before: Before) {
        let mark = if before == Before::Idle { TO_IDLE } else { 0 };
        match self.idle_thread() {
            Some(thread) => self.hand(thread, request | mark),
            None => {
                self.waited += 1;
                self.crew.waiting.push(request).expect("room for every request of the plan");
            }
        }
    }

    /// Gives a waiting request to a thread that became idle just before it began to wait.
    pub(super) fn relieve(&mut self) {
        if self.crew.waiting.is_empty() {
            return;
        }
        let Some(thread) = self.idle_thread() else { return };
        match self.crew.waiting.pop() {
            Some(request) => self.hand(thread, request),
            None => self.idle.push(thread),
        }
    }

    /// Sends all threads home, once they are done with what they have begun.
    pub(super) fn dismiss(&self) {
        for (slot, thread) in self.crew.slots.iter().zip(&self.threads) {
            slot.store(GO_HOME, Ordering::Release);
            thread.unpark();
        }
    }

    /// Requests that had to wait for a thread.
    pub(super) fn waited(&self) -> u64 {
        self.waited
    }

    fn hand(&self, thread: u16, told: u32) {
        // Release pairs with the Acquire in `work`.
        self.crew.slots[usize::from(thread)].store(told, Ordering::Release);
        self.threads[usize::from(thread)].unpark();
    }

    fn idle_thread(&mut self) -> Option<u16> {
        // At most as many as there are threads.
        while let Some(thread) = self.crew.idle.pop() {
            self.idle.push(thread);
        }
        self.idle.pop()
    }
}
