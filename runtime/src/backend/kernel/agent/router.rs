//! The router: reads the enclave's default channel, where newcomers are, places each on a CPU, and has
//! its messages sent to that CPU's agent from then on.
//!
//! Until the kernel half has taken the new route, messages still come here and are forwarded. The
//! agent reads its inbox before what came by its own channel later, so it sees a task's messages in
//! order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use revenant_bpf::abi::{self, Route};
use revenant_bpf::{CallError, Scheduler};

use super::inbox::Inbox;
use crate::backend::Backend;
use crate::backend::kernel::{Kernel, read};
use crate::backend::threads::placement;
use crate::cpu::{CpuId, CpuSet};
use crate::message::Message;
use crate::status::Status;
use crate::task::{Seq, TaskId, TaskState};

/// Places newcomers in turn, as ghOSt's per-CPU example does.
#[derive(Debug)]
pub(super) struct Router {
    kernel: Kernel,
    inboxes: Vec<(CpuId, Arc<Inbox>)>,
    next: usize,
    /// Where tasks go whose route is not taken yet, by slot.
    homes: Vec<Option<(TaskId, usize)>>,
}

/// The channel of a CPU's agent.
pub(super) fn channel_of(cpu: CpuId) -> u32 {
    u32::from(cpu.0) + 1
}

/// Sends the messages of every task of an enclave to one channel.
pub(super) fn gather(scheduler: &Scheduler, enclave: u32, channel: u32) {
    for (task, status, from) in tasks(scheduler, enclave) {
        if from != channel {
            persist(
                scheduler,
                Route { task: task.to_bits(), enclave, channel, ..Route::default() },
                status.seq,
            );
        }
    }
}

/// Tries again as long as messages come between: each try starts from the task's present number. A
/// task that never holds still keeps its channel, whose next reader forwards or gathers it.
fn persist(scheduler: &Scheduler, mut route: Route, seq: Seq) -> bool {
    const TRIES: usize = 100;
    route.seq = seq.0;
    for _ in 0..TRIES {
        match scheduler.route(&mut route) {
            Err(error) if error.errno() == libc::ESTALE => {
                let slot = TaskId::from_bits(route.task).index as usize;
                let Some((_, status)) = read(&scheduler.status_words()[slot]) else { continue };
                route.seq = status.seq.0;
            }
            other => return other.is_ok(),
        }
    }
    false
}

/// The live tasks of an enclave and their channels.
fn tasks(scheduler: &Scheduler, enclave: u32) -> Vec<(TaskId, Status, u32)> {
    let used = scheduler.machine().slots_used.load(Ordering::Relaxed) as usize;
    let words = scheduler.status_words().iter().take(used);
    let own = words.filter(|word| word.enclave.load(Ordering::Relaxed) == enclave);
    let live = own.filter_map(|word| {
        let (task, status) = read(word)?;
        (status.state != TaskState::Dead)
            .then(|| (task, status, word.channel.load(Ordering::Relaxed)))
    });
    live.collect()
}

impl Router {
    /// A router between the default channel and the agents of `inboxes`.
    pub(super) fn new(kernel: Kernel, inboxes: Vec<(CpuId, Arc<Inbox>)>) -> Self {
        Self { kernel, inboxes, next: 0, homes: vec![None; abi::TASKS_MAX] }
    }

    pub(super) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Takes the default channel over, and places whoever has no agent that serves.
    pub(super) fn begin(&mut self) {
        self.kernel.begin();
        self.place_all();
    }

    /// Forwards everything in the default channel. Returns how many messages that were.
    pub(super) fn turn(&mut self) -> usize {
        let mut count = 0;
        while let Some(message) = self.kernel.next_message() {
            count += 1;
            if message.kind.is_about_task() {
                self.forward(message);
            }
        }
        if self.kernel.take_overflow() {
            self.place_all();
        }
        count
    }

    fn forward(&mut self, message: Message) {
        let home = match self.home(message.task) {
            Some(home) => home,
            None => self.place(message.task),
        };
        let inbox = &self.inboxes[home].1;
        inbox.send(message);
        inbox.ring();
        // Only after the inbox has what came before.
        let routed = self.route(message.task, message.seq, home);
        self.homes[message.task.index as usize] = match routed {
            Err(error) if error.errno() == libc::ESTALE => Some((message.task, home)),
            // Taken; or it is gone, and its last message has just been forwarded.
            _ => None,
        };
    }

    fn home(&self, task: TaskId) -> Option<usize> {
        let (owner, home) = self.homes.get(task.index as usize).copied().flatten()?;
        (owner == task).then_some(home)
    }

    /// The next CPU in turn that the task may use.
    fn place(&mut self, task: TaskId) -> usize {
        let allowed = self.allowed(task);
        let count = self.inboxes.len();
        let mut turns = (0..count).map(|step| (self.next + step) % count);
        let found = turns.find(|home| allowed.contains(self.inboxes[*home].0));
        // One that may use none of them waits on any, until its affinity changes.
        let home = found.unwrap_or(self.next % count);
        self.next = (home + 1) % count;
        home
    }

    fn allowed(&self, task: TaskId) -> CpuSet {
        let word = &self.kernel.scheduler().status_words()[task.index as usize];
        let tid = word.tid.load(Ordering::Relaxed) as libc::pid_t;
        let all = self.inboxes.iter().map(|(cpu, _)| *cpu).collect();
        // A thread that is gone needs no place.
        placement::affinity_of(tid).unwrap_or(all)
    }

    fn route(&self, task: TaskId, seq: Seq, home: usize) -> Result<(), CallError> {
        let mut route = Route {
            task: task.to_bits(),
            enclave: self.kernel.enclave(),
            seq: seq.0,
            channel: channel_of(self.inboxes[home].0),
            ..Route::default()
        };
        self.kernel.scheduler().route(&mut route)
    }

    /// Routes every task that no agent of ours serves, from status words. Their agents then rescan.
    fn place_all(&mut self) {
        let (scheduler, enclave) = (Arc::clone(self.kernel.scheduler()), self.kernel.enclave());
        for (task, status, from) in tasks(&scheduler, enclave) {
            if self.inboxes.iter().any(|(cpu, _)| channel_of(*cpu) == from) {
                continue;
            }
            let home = self.home(task).unwrap_or_else(|| self.place(task));
            self.settle(task, status.seq, home);
        }
    }

    /// A task whose affinity no longer allows the CPU it was placed on gets another.
    pub(super) fn replace(&mut self, task: TaskId) {
        let Some(status) = self.kernel.status(task) else { return };
        let home = self.place(task);
        self.settle(task, status.seq, home);
    }

    /// Routes a task from its status word; its agent then looks there, too.
    fn settle(&mut self, task: TaskId, seq: Seq, home: usize) {
        let (cpu, inbox) = &self.inboxes[home];
        let (enclave, channel) = (self.kernel.enclave(), channel_of(*cpu));
        let route = Route { task: task.to_bits(), enclave, channel, ..Route::default() };
        if persist(self.kernel.scheduler(), route, seq) {
            self.homes[task.index as usize] = None;
            inbox.demand_rescan();
        }
    }
}
