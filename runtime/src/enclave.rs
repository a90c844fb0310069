//! The enclave as its agent sees it: CPUs, tasks, and what the messages read so far say of them.
//!
//! ghOSt left this bookkeeping to every policy, and every policy had its own copy. Here the agent
//! keeps it, so that a policy is only its decisions. The image lags the world by the messages not
//! yet read; sequence numbers make that harmless.

use crate::cpu::{CpuId, CpuSet};
use crate::hint::Hints;
use crate::message::{Message, MessageKind};
use crate::status::Status;
use crate::task::{Task, TaskId, TaskState};
use crate::topology::Topology;
use crate::transaction::Transaction;

/// A CPU of the enclave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// The task that runs here.
    pub current: Option<TaskId>,
    /// The task a committed transaction put here, until it runs.
    pub latched: Option<TaskId>,
    /// When `current` began its stint.
    pub since_ns: u64,
    /// A higher scheduling class runs here.
    pub is_busy_elsewhere: bool,
}

/// What reading a message did to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// The image moved on.
    Fresh,
    /// The image moved on, but messages about this task are missing: rescan.
    Gap,
    /// The message is older than the image, as after a rescan; nothing changed.
    Old,
    /// The image does not know the task; nothing changed.
    Unknown,
}

/// The CPUs and tasks of one enclave.
#[derive(Debug)]
pub struct Enclave {
    topology: Topology,
    cpu_set: CpuSet,
    cpu_order: Vec<CpuId>,
    cpus: Vec<Cpu>,
    idle: CpuSet,
    tasks: Vec<Task>,
    tasks_live: usize,
}

impl Enclave {
    /// An enclave of all the topology's CPUs and of at most `tasks_max` tasks at a time.
    pub fn new(topology: Topology, tasks_max: usize) -> Self {
        let cpu_set = topology.cpus();
        let cpu_order: Vec<CpuId> = cpu_set.iter().collect();
        let table = cpu_order.last().map_or(0, |cpu| cpu.index() + 1);
        Self {
            topology,
            cpu_set,
            cpu_order,
            cpus: vec![Cpu::default(); table],
            idle: cpu_set,
            tasks: vec![Task::default(); tasks_max],
            tasks_live: 0,
        }
    }

    /// How the CPUs hang together.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The enclave's CPUs.
    pub fn cpu_set(&self) -> &CpuSet {
        &self.cpu_set
    }

    /// The enclave's CPUs in ascending order.
    pub fn cpus(&self) -> &[CpuId] {
        &self.cpu_order
    }

    /// What is known of `cpu`.
    ///
    /// # Panics
    /// If the enclave never owned it.
    pub fn cpu(&self, cpu: CpuId) -> &Cpu {
        &self.cpus[cpu.index()]
    }

    /// CPUs with nothing running, latched, or above us.
    pub fn idle(&self) -> &CpuSet {
        &self.idle
    }

    /// CPUs whose task runs and is not about to be replaced: those a policy may preempt.
    pub fn running(&self) -> impl Iterator<Item = (CpuId, &Task)> + '_ {
        self.cpu_order.iter().filter_map(|&id| {
            let cpu = self.cpu(id);
            let task = cpu.current.filter(|_| cpu.latched.is_none())?;
            Some((id, self.task(task)?))
        })
    }

    /// The task, if it is alive under this generation.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        let task = self.tasks.get(id.index as usize)?;
        (task.id == id && task.state != TaskState::Dead).then_some(task)
    }

    /// The task, if it waits for a CPU.
    pub fn queued(&self, id: TaskId) -> Option<&Task> {
        self.task(id).filter(|task| task.state == TaskState::Queued)
    }

    /// Live tasks, in table order.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> + '_ {
        self.tasks.iter().filter(|task| task.state != TaskState::Dead)
    }

    /// How many tasks live.
    pub fn tasks_live(&self) -> usize {
        self.tasks_live
    }

    /// How many tasks the enclave can hold.
    pub fn tasks_max(&self) -> usize {
        self.tasks.len()
    }

    /// CPU time `task` has received in its life.
    pub fn attained_ns(&self, task: &Task, now_ns: u64) -> u64 {
        task.runtime_ns + self.stint_ns(task, now_ns)
    }

    /// How long `task` has been running without a break; 0 if it does not run.
    pub fn stint_ns(&self, task: &Task, now_ns: u64) -> u64 {
        match (task.state, task.cpu) {
            (TaskState::OnCpu, Some(cpu)) => now_ns.saturating_sub(self.cpu(cpu).since_ns),
            _ => 0,
        }
    }

    /// Takes in a message. `hints` belong to the message's task and are read for TASK_NEW,
    /// TASK_WAKEUP and TASK_PRIORITY_CHANGED only.
    pub fn apply(&mut self, message: &Message, hints: Hints) -> Applied {
        if !message.kind.is_about_task() {
            self.apply_to_cpu(message);
            return Applied::Fresh;
        }
        if message.kind == MessageKind::TaskNew {
            return self.admit(message, hints);
        }
        let Some(task) = self.task(message.task).copied() else {
            return Applied::Unknown;
        };
        if !message.seq.is_after(task.seq) {
            return Applied::Old;
        }
        let applied = if message.seq == task.seq.next() { Applied::Fresh } else { Applied::Gap };
        self.apply_to_task(message, hints);
        applied
    }

    fn apply_to_cpu(&mut self, message: &Message) {
        let is_busy = match message.kind {
            MessageKind::CpuBusy => true,
            MessageKind::CpuAvailable => false,
            _ => return,
        };
        // A CPU that was given away since is nothing to us either.
        if self.cpu_set.contains(message.cpu) {
            self.cpus[message.cpu.index()].is_busy_elsewhere = is_busy;
            self.refresh_idle(message.cpu);
        }
    }

    fn admit(&mut self, message: &Message, hints: Hints) -> Applied {
        let place = message.task.index as usize;
        if place >= self.tasks.len() {
            return Applied::Unknown;
        }
        let known = self.tasks[place];
        if known.id == message.task && !message.seq.is_after(known.seq) {
            return Applied::Old;
        }
        // A rescan can find the heir of a task whose whole life is still unread in the channel.
        if known.id.is_heir_of(message.task) {
            return Applied::Old;
        }
        self.tasks_live += usize::from(known.state == TaskState::Dead);
        self.tasks[place] = Task {
            id: message.task,
            seq: message.seq,
            state: TaskState::Queued,
            hints,
            arrived_ns: message.time_ns,
            runtime_ns: message.runtime_ns,
            preemptions: 0,
            cpu: None,
        };
        Applied::Fresh
    }

    fn apply_to_task(&mut self, message: &Message, hints: Hints) {
        use MessageKind as Kind;
        self.tasks[message.task.index as usize].seq = message.seq;
        match message.kind {
            Kind::TaskWakeup => {
                // A backend whose tasks are threads counts a thread's service from its wake-up on.
                let task = &mut self.tasks[message.task.index as usize];
                task.runtime_ns = message.runtime_ns;
                task.hints = hints;
                self.set_state(message.task, TaskState::Queued);
            }
            Kind::TaskBlocked => self.end_stint(message, TaskState::Blocked),
            Kind::TaskYield => self.end_stint(message, TaskState::Queued),
            Kind::TaskPreempted => {
                self.tasks[message.task.index as usize].preemptions += 1;
                self.end_stint(message, TaskState::Queued);
            }
            Kind::TaskDead | Kind::TaskDeparted => {
                self.end_stint(message, TaskState::Dead);
                self.tasks_live -= 1;
            }
            Kind::TaskLatchFailed => self.unlatch(message.task, TaskState::Queued),
            Kind::TaskOnCpu => self.begin_stint(message),
            Kind::TaskPriorityChanged => self.tasks[message.task.index as usize].hints = hints,
            _ => {}
        }
    }

    fn begin_stint(&mut self, message: &Message) {
        self.unlatch(message.task, TaskState::OnCpu);
        let task = &mut self.tasks[message.task.index as usize];
        // It entered while it ran elsewhere: that CPU is nothing to us.
        if !self.cpu_set.contains(message.cpu) {
            task.cpu = None;
            return;
        }
        task.cpu = Some(message.cpu);
        let cpu = &mut self.cpus[message.cpu.index()];
        cpu.current = Some(message.task);
        cpu.since_ns = message.time_ns;
        self.refresh_idle(message.cpu);
    }

    fn end_stint(&mut self, message: &Message, state: TaskState) {
        self.tasks[message.task.index as usize].runtime_ns = message.runtime_ns;
        if let Some(cpu) = self.tasks[message.task.index as usize].cpu {
            let cpu_record = &mut self.cpus[cpu.index()];
            if cpu_record.current == Some(message.task) {
                cpu_record.current = None;
            }
        }
        self.unlatch(message.task, state);
    }

    /// Frees the CPU a task was latched to, if any, and moves the task to `state`.
    fn unlatch(&mut self, id: TaskId, state: TaskState) {
        if let Some(cpu) = self.tasks[id.index as usize].cpu {
            let cpu_record = &mut self.cpus[cpu.index()];
            if cpu_record.latched == Some(id) {
                cpu_record.latched = None;
            }
            self.refresh_idle(cpu);
        }
        self.set_state(id, state);
    }

    fn set_state(&mut self, id: TaskId, state: TaskState) {
        self.tasks[id.index as usize].state = state;
    }

    fn refresh_idle(&mut self, cpu: CpuId) {
        let record = &self.cpus[cpu.index()];
        let is_idle =
            record.current.is_none() && record.latched.is_none() && !record.is_busy_elsewhere;
        if is_idle {
            self.idle.insert(cpu);
        } else {
            self.idle.remove(cpu);
        }
    }

    /// Takes in a committed transaction: its task is latched to its CPU until TASK_ON_CPU.
    pub fn latch(&mut self, transaction: &Transaction) {
        let task = &mut self.tasks[transaction.task.index as usize];
        debug_assert_eq!(task.id, transaction.task);
        task.state = TaskState::Latched;
        task.cpu = Some(transaction.cpu);
        self.cpus[transaction.cpu.index()].latched = Some(transaction.task);
        self.refresh_idle(transaction.cpu);
    }

    /// Forgets everything read so far; [`Self::discover`] then rebuilds the image.
    pub fn forget(&mut self) {
        self.cpus.fill(Cpu::default());
        self.idle = self.cpu_set;
        // Ids and sequence numbers stay: messages older than the status words must read as old.
        self.tasks.iter_mut().for_each(|task| task.state = TaskState::Dead);
        self.tasks_live = 0;
    }

    /// Takes in a task from its status word, as after an overflow or when a new agent attaches.
    pub fn discover(&mut self, id: TaskId, status: &Status, hints: Hints, now_ns: u64) {
        let place = id.index as usize;
        if place >= self.tasks.len() || status.state == TaskState::Dead {
            return;
        }
        let known = self.tasks[place];
        let is_known = known.id == id;
        self.tasks[place] = Task {
            id,
            seq: status.seq,
            state: status.state,
            hints,
            arrived_ns: if is_known { known.arrived_ns } else { now_ns },
            runtime_ns: status.runtime_ns,
            preemptions: if is_known { known.preemptions } else { 0 },
            cpu: Some(status.cpu).filter(|cpu| self.cpu_set.contains(*cpu)),
        };
        self.tasks_live += 1;
        self.discover_on_cpu(id, status);
    }

    fn discover_on_cpu(&mut self, id: TaskId, status: &Status) {
        if !self.cpu_set.contains(status.cpu) {
            return;
        }
        let cpu = &mut self.cpus[status.cpu.index()];
        match status.state {
            TaskState::OnCpu => {
                cpu.current = Some(id);
                cpu.since_ns = status.since_ns;
            }
            TaskState::Latched => cpu.latched = Some(id),
            TaskState::Dead | TaskState::Blocked | TaskState::Queued => return,
        }
        self.refresh_idle(status.cpu);
    }
}

#[cfg(test)]
mod tests;
