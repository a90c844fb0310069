//! The machine: virtual CPUs that run tasks as transactions say.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::deadline::Deadlines;
use super::task_table::TaskTable;
use super::wire::Wire;
use super::work::{Arrival, Completion, ENDLESS_NS, Step, Work};
use super::{Costs, Faults, SimOptions};
use crate::cpu::CpuId;
use crate::hint::{Hints, Tier};
use crate::message::{Message, MessageKind};
use crate::status::Status;
use crate::task::{TaskId, TaskState};
use crate::topology::Topology;

mod commit;

/// What happened on the machine, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineCounters {
    /// Tasks that entered.
    pub entered: u64,
    /// Tasks that did not, because the table was full.
    pub refused: u64,
    /// Tasks that finished.
    pub finished: u64,
    /// Times a task lost its CPU to another.
    pub preemptions: u64,
    /// Commits that took effect late.
    pub late_commits: u64,
    /// CPU time of latency-critical tasks.
    pub critical_ns: u64,
    /// CPU time of batch tasks.
    pub batch_ns: u64,
}

/// A virtual CPU.
#[derive(Clone, Copy, Debug)]
struct VirtualCpu {
    current: Option<TaskId>,
    /// When `current` ends its step or slice.
    ends_ns: u64,
    latched: Option<TaskId>,
    /// When the latched task takes over, or begins if nobody runs.
    begins_ns: u64,
    /// When the agent's decision is known here.
    known_ns: u64,
    /// Of the latched task.
    slice_ns: u64,
}

const IDLE: VirtualCpu = VirtualCpu {
    current: None,
    ends_ns: u64::MAX,
    latched: None,
    begins_ns: u64::MAX,
    known_ns: 0,
    slice_ns: u64::MAX,
};

/// A machine in virtual time. Whoever drives it says what time it is; [`Simulation`](super::Simulation)
/// does so for whole runs.
#[derive(Debug)]
pub struct Machine {
    now_ns: u64,
    topology: Topology,
    tasks: TaskTable,
    cpus: Vec<VirtualCpu>,
    deadlines: Deadlines,
    /// Sleeping tasks by the time they wake.
    sleepers: BinaryHeap<Reverse<(u64, TaskId)>>,
    wire: Wire,
    costs: Costs,
    faults: Faults,
    random: Xoshiro256PlusPlus,
    tasks_finite: usize,
    counters: MachineCounters,
}

impl Machine {
    /// An idle machine at time 0.
    pub fn new(options: &SimOptions) -> Self {
        let table = options.topology.cpus().iter().last().map_or(0, |cpu| cpu.index() + 1);
        Self {
            now_ns: 0,
            topology: options.topology.clone(),
            tasks: TaskTable::with_capacity(options.tasks_max),
            cpus: vec![IDLE; table],
            deadlines: Deadlines::new(table),
            sleepers: BinaryHeap::with_capacity(options.tasks_max),
            wire: Wire::new(options.channel_capacity, options.costs.message_ns),
            costs: options.costs,
            faults: options.faults,
            random: Xoshiro256PlusPlus::seed_from_u64(options.seed),
            tasks_finite: 0,
            counters: MachineCounters::default(),
        }
    }

    /// Virtual time.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Lets time pass; what was due meanwhile must have been [fired](Self::fire).
    pub fn advance(&mut self, now_ns: u64) {
        debug_assert!(now_ns >= self.now_ns, "time runs backwards");
        self.now_ns = now_ns;
    }

    /// What happened so far.
    pub fn counters(&self) -> &MachineCounters {
        &self.counters
    }

    /// Messages lost so far.
    pub fn messages_lost(&self) -> u64 {
        self.wire.lost()
    }

    /// A digest of every message so far: equal for equal runs.
    pub fn trace_digest(&self) -> u64 {
        self.wire.trace_digest()
    }

    /// How many tasks live.
    pub fn tasks_live(&self) -> usize {
        self.tasks.len()
    }

    /// How many of them will finish.
    pub fn tasks_finite(&self) -> usize {
        self.tasks_finite
    }

    /// The task's status word, as long as it lives.
    pub fn status(&self, id: TaskId) -> Option<Status> {
        self.tasks.get(id).map(|work| work.status)
    }

    /// The task that has `cpu`.
    pub fn running(&self, cpu: CpuId) -> Option<TaskId> {
        self.cpus[cpu.index()].current
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// A task enters. `None` and counted if the table is full.
    pub fn enter(&mut self, arrival: &Arrival) -> Option<TaskId> {
        let hints = Hints { class: arrival.class, tier: arrival.tier, ..Hints::default() };
        self.insert(hints, arrival.service_ns, &[])
    }

    /// A task with a script enters.
    pub fn enter_script(&mut self, hints: Hints, script: &'static [Step]) -> Option<TaskId> {
        self.insert(hints, 0, script)
    }

    fn insert(&mut self, hints: Hints, service_ns: u64, script: &'static [Step]) -> Option<TaskId> {
        let is_endless = service_ns == ENDLESS_NS;
        let status = Status { state: TaskState::Queued, ..Status::default() };
        let inserted = self.tasks.insert(|id| Work {
            id,
            status,
            hints,
            left_ns: service_ns,
            script,
            arrived_ns: self.now_ns,
            started_ns: None,
            preemptions: 0,
            is_endless,
        });
        let Some(id) = inserted else {
            self.counters.refused += 1;
            return None;
        };
        self.counters.entered += 1;
        self.tasks_finite += usize::from(!is_endless);
        self.post(MessageKind::TaskNew, id);
        Some(id)
    }

    /// Ends a task's present wait or spin.
    pub fn tell(&mut self, id: TaskId) {
        let Some(work) = self.tasks.get(id).copied() else { return };
        match work.status.state {
            TaskState::Blocked => self.wake(id),
            TaskState::OnCpu => {
                self.tasks.live(id).left_ns = self.now_ns - work.status.since_ns;
                self.set_end(work.status.cpu, self.now_ns);
            }
            _ => self.tasks.live(id).left_ns = 0,
        }
    }

    fn wake(&mut self, id: TaskId) {
        self.tasks.live(id).status.state = TaskState::Queued;
        self.post(MessageKind::TaskWakeup, id);
    }

    /// When something next happens by itself.
    pub fn next_event_ns(&self) -> u64 {
        let wake_ns = self.sleepers.peek().map_or(u64::MAX, |Reverse((ns, _))| *ns);
        self.deadlines.first_ns().min(wake_ns)
    }

    /// Lets the event happen that is due now.
    pub fn fire(&mut self) -> Option<Completion> {
        if self.deadlines.first_ns() <= self.now_ns {
            return self.fire_cpu(CpuId(self.deadlines.first_cpu() as u16));
        }
        if let Some(Reverse((_, id))) = self.sleepers.pop() {
            self.wake(id);
        }
        None
    }

    fn fire_cpu(&mut self, cpu: CpuId) -> Option<Completion> {
        let virtual_cpu = self.cpus[cpu.index()];
        match virtual_cpu.current {
            // Whoever finishes at the moment it is to be preempted has finished.
            Some(task) if virtual_cpu.ends_ns <= self.now_ns => self.end_step(cpu, task),
            Some(task) => {
                self.preempt(cpu, task);
                let burnt_ns = self.costs.switch_ns + self.costs.preemption_ns;
                self.begin_at(cpu, self.now_ns + burnt_ns);
                None
            }
            None => {
                self.begin(cpu);
                None
            }
        }
    }

    fn preempt(&mut self, cpu: CpuId, id: TaskId) {
        self.counters.preemptions += 1;
        self.tasks.live(id).preemptions += 1;
        self.leave(cpu, id, TaskState::Queued);
        self.post(MessageKind::TaskPreempted, id);
    }

    /// The latched task begins at `time_ns`, which may be now.
    fn begin_at(&mut self, cpu: CpuId, time_ns: u64) {
        if time_ns <= self.now_ns {
            return self.begin(cpu);
        }
        self.cpus[cpu.index()].begins_ns = time_ns;
        self.refresh_deadline(cpu);
    }

    fn begin(&mut self, cpu: CpuId) {
        let virtual_cpu = &mut self.cpus[cpu.index()];
        let id = virtual_cpu.latched.take().expect("a CPU begins what was latched to it");
        let work = self.tasks.live(id);
        work.status.state = TaskState::OnCpu;
        work.status.since_ns = self.now_ns;
        work.started_ns.get_or_insert(self.now_ns);
        virtual_cpu.current = Some(id);
        virtual_cpu.begins_ns = u64::MAX;
        virtual_cpu.ends_ns = self.now_ns.saturating_add(work.left_ns.min(virtual_cpu.slice_ns));
        self.refresh_deadline(cpu);
        self.post(MessageKind::TaskOnCpu, id);
    }

    /// The running task is through with its step, or with its slice.
    fn end_step(&mut self, cpu: CpuId, id: TaskId) -> Option<Completion> {
        let work = self.tasks.live(id);
        if work.status.since_ns.saturating_add(work.left_ns) > self.now_ns {
            self.preempt(cpu, id);
            self.begin_successor(cpu);
            return None;
        }
        let Some((step, rest)) = work.script.split_first() else {
            return Some(self.finish(cpu, id));
        };
        work.script = rest;
        match *step {
            Step::Run { ns } => self.run_on(cpu, id, ns),
            Step::Spin => self.run_on(cpu, id, ENDLESS_NS),
            Step::Block => self.stop(cpu, id, MessageKind::TaskBlocked),
            Step::Yield => self.stop(cpu, id, MessageKind::TaskYield),
            Step::Sleep { ns } => {
                self.sleepers.push(Reverse((self.now_ns + ns, id)));
                self.stop(cpu, id, MessageKind::TaskBlocked);
            }
        }
        None
    }

    /// The running task goes on with its next step; nobody else hears of it.
    fn run_on(&mut self, cpu: CpuId, id: TaskId, step_ns: u64) {
        let work = self.tasks.live(id);
        let stint_ns = self.now_ns - work.status.since_ns;
        // `left_ns` counts from the stint's beginning.
        work.left_ns = step_ns.saturating_add(stint_ns);
        self.set_end(cpu, self.now_ns.saturating_add(step_ns));
    }

    fn stop(&mut self, cpu: CpuId, id: TaskId, kind: MessageKind) {
        let is_yield = kind == MessageKind::TaskYield;
        self.leave(cpu, id, if is_yield { TaskState::Queued } else { TaskState::Blocked });
        self.post(kind, id);
        self.begin_successor(cpu);
    }

    fn finish(&mut self, cpu: CpuId, id: TaskId) -> Completion {
        self.leave(cpu, id, TaskState::Dead);
        self.post(MessageKind::TaskDead, id);
        let work = self.tasks.live(id);
        let completion = work.completion(self.now_ns);
        self.tasks_finite -= usize::from(!work.is_endless);
        self.tasks.remove(id);
        self.counters.finished += 1;
        self.begin_successor(cpu);
        completion
    }

    /// The task gives up its CPU, which stays empty for now.
    fn leave(&mut self, cpu: CpuId, id: TaskId, state: TaskState) {
        let work = self.tasks.live(id);
        let stint_ns = work.end_stint(self.now_ns);
        work.status.state = state;
        match work.hints.tier {
            Tier::LatencyCritical => self.counters.critical_ns += stint_ns,
            Tier::Batch => self.counters.batch_ns += stint_ns,
        }
        let virtual_cpu = &mut self.cpus[cpu.index()];
        virtual_cpu.current = None;
        virtual_cpu.ends_ns = u64::MAX;
        self.refresh_deadline(cpu);
    }

    /// Whoever is latched to the CPU that just became free need not wait for its preemption.
    fn begin_successor(&mut self, cpu: CpuId) {
        let virtual_cpu = &self.cpus[cpu.index()];
        if virtual_cpu.latched.is_some() {
            let free_ns = self.now_ns.max(virtual_cpu.known_ns) + self.costs.switch_ns;
            self.begin_at(cpu, free_ns.min(virtual_cpu.begins_ns));
        }
    }

    fn set_end(&mut self, cpu: CpuId, ends_ns: u64) {
        self.cpus[cpu.index()].ends_ns = ends_ns;
        self.refresh_deadline(cpu);
    }

    fn refresh_deadline(&mut self, cpu: CpuId) {
        let VirtualCpu { ends_ns, begins_ns, .. } = self.cpus[cpu.index()];
        self.deadlines.set(cpu.index(), ends_ns.min(begins_ns));
    }

    /// Bumps the task's sequence number and says why.
    fn post(&mut self, kind: MessageKind, id: TaskId) {
        let status = &mut self.tasks.live(id).status;
        status.seq = status.seq.next();
        let message = Message {
            kind,
            cpu: status.cpu,
            seq: status.seq,
            task: id,
            time_ns: self.now_ns,
            runtime_ns: status.runtime_ns,
        };
        if self.faults.message_loss > 0.0 && self.random.random_bool(self.faults.message_loss) {
            return self.wire.lose();
        }
        self.wire.post(message);
    }
}
