//! Per-CPU agents: a thread on each CPU of the enclave, asleep until a message concerns it, and the
//! router's thread beside them.
//!
//! A local agent commits to its own CPU by a latch and then sleeps, which is what lets the task run.
//! If a message came since it began to look, the commit fails as agent-stale and it looks again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use revenant_bpf::{Scheduler, abi};

use super::inbox::Inbox;
use super::router::{Router, channel_of};
use super::{AgentError, AgentOptions, End, priority, record_flags};
use crate::agent::Agent;
use crate::backend::Backend;
use crate::backend::kernel::{Kernel, enclaves, now_ns};
use crate::backend::threads::placement;
use crate::cpu::{CpuId, CpuSet};
use crate::enclave::Enclave;
use crate::hint::Hints;
use crate::message::{Message, MessageKind};
use crate::policy::Policy;
use crate::status::Status;
use crate::task::{Seq, TaskId};
use crate::topology::Topology;
use crate::transaction::{Batch, Outcome};

/// How often the router shows that the agents are there, ten times within the silence limit.
const BEAT: Duration = Duration::from_millis(50);

/// How long an agent that is stale without news leaves its CPU: it is of a class that nobody takes it
/// from. Doubled, a decision is late; halved, the agent is a twentieth of the CPU.
const STALE_PAUSE: Duration = Duration::from_millis(1);

/// Messages an inbox holds. Newcomers pass through it once each; a burst beyond it is found in their
/// status words.
const INBOX_MESSAGES: usize = 1024;

/// One CPU's agent.
struct LocalAgent<P> {
    agent: Agent<P>,
    backend: LocalBackend,
    cpu: CpuId,
}

/// The kernel as one CPU's agent sees it: its inbox, then its channel.
#[derive(Debug)]
struct LocalBackend {
    kernel: Kernel,
    inbox: Arc<Inbox>,
    /// A message of the channel that must wait for what came into the inbox before it.
    pending: Option<Message>,
    /// Tasks that may no longer use this CPU.
    misplaced: Arc<ArrayQueue<TaskId>>,
    own: CpuId,
    must_rescan: bool,
    was_stale: bool,
}

pub(super) fn serve<P: Policy + Send>(
    options: &AgentOptions,
    mut policies: impl FnMut() -> P,
    scheduler: Arc<Scheduler>,
    stops: &AtomicBool,
) -> Result<End, AgentError> {
    let cpus = super::check(&scheduler, options)?;
    let misplaced = Arc::new(ArrayQueue::new(INBOX_MESSAGES));
    let mut locals = Vec::new();
    for cpu in cpus.iter() {
        locals.push(local(options, &scheduler, cpu, policies(), &misplaced)?);
    }
    let name = locals[0].agent.policy().name();
    let inboxes =
        locals.iter().map(|local| (local.cpu, Arc::clone(&local.backend.inbox))).collect();
    let enclave = options.enclave;
    let default = Kernel::open(
        Arc::clone(&scheduler),
        enclave,
        abi::CHANNEL_DEFAULT,
        options.channel_messages,
    )?;
    let mut router = Router::new(default, inboxes);
    if options.is_realtime {
        priority::lock_memory()?;
        priority::rise()?;
    }
    super::succeed(&scheduler, options)?;
    scheduler.attach_agent(enclave, None)?;
    record_flags(&scheduler, enclave).fetch_or(abi::PER_CPU_AGENTS, Ordering::Relaxed);
    for channel in cpus.iter().map(channel_of).chain([abi::CHANNEL_DEFAULT]) {
        scheduler.channel(enclave, channel).wakes.store(1, Ordering::Relaxed);
    }
    locals.iter_mut().for_each(|local| local.backend.kernel.begin());
    router.begin();
    super::announce(&scheduler, enclave, name);
    let end = serve_all(locals, router, &misplaced, stops, options.is_realtime);
    for channel in cpus.iter().map(channel_of).chain([abi::CHANNEL_DEFAULT]) {
        scheduler.channel(enclave, channel).wakes.store(0, Ordering::Relaxed);
    }
    if end != End::Dismissed {
        // If the enclave was destroyed in this very moment, there is nothing to detach from.
        let _dismissed = scheduler.detach_agent(enclave, None);
    }
    Ok(end)
}

fn local<P: Policy>(
    options: &AgentOptions,
    scheduler: &Arc<Scheduler>,
    cpu: CpuId,
    policy: P,
    misplaced: &Arc<ArrayQueue<TaskId>>,
) -> Result<LocalAgent<P>, AgentError> {
    let own: CpuSet = [cpu].into_iter().collect();
    let topology = enclaves::topology(scheduler, options.enclave).restricted_to(&own);
    let inbox = Inbox::new(INBOX_MESSAGES)
        .map_err(|source| AgentError::System { step: "make an event counter", source })?;
    let kernel = Kernel::open(
        Arc::clone(scheduler),
        options.enclave,
        channel_of(cpu),
        options.channel_messages,
    )?;
    let backend = LocalBackend {
        kernel: kernel.local_to(cpu),
        inbox: Arc::new(inbox),
        pending: None,
        misplaced: Arc::clone(misplaced),
        own: cpu,
        must_rescan: true,
        was_stale: false,
    };
    Ok(LocalAgent {
        agent: Agent::new(policy, Enclave::new(topology, abi::TASKS_MAX)),
        backend,
        cpu,
    })
}

/// Runs the local agents on threads of their own and the router on this one.
fn serve_all<P: Policy + Send>(
    locals: Vec<LocalAgent<P>>,
    mut router: Router,
    misplaced: &ArrayQueue<TaskId>,
    stops: &AtomicBool,
    is_realtime: bool,
) -> End {
    let ends = AtomicBool::new(false);
    let inboxes: Vec<Arc<Inbox>> =
        locals.iter().map(|local| Arc::clone(&local.backend.inbox)).collect();
    std::thread::scope(|scope| {
        for local in locals {
            scope.spawn(|| local.main(&ends, is_realtime));
        }
        let end = route(&mut router, misplaced, stops);
        ends.store(true, Ordering::Release);
        inboxes.iter().for_each(|inbox| inbox.ring());
        end
    })
}

/// The router's loop.
fn route(router: &mut Router, misplaced: &ArrayQueue<TaskId>, stops: &AtomicBool) -> End {
    let (scheduler, enclave) = (Arc::clone(router.kernel().scheduler()), router.kernel().enclave());
    let record = &scheduler.enclaves()[enclave as usize];
    loop {
        if let Some(end) = super::end(&scheduler, enclave, stops) {
            return end;
        }
        record.heartbeat_ns.store(now_ns(), Ordering::Relaxed);
        router.turn();
        while let Some(task) = misplaced.pop() {
            router.replace(task);
        }
        wait(&[router.kernel().ring().raw_fd()], Some(BEAT));
    }
}

/// Sleeps until one of `fds` can be read, or for `timeout`.
fn wait(fds: &[i32], timeout: Option<Duration>) {
    let mut polled = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; 2];
    for (place, fd) in polled.iter_mut().zip(fds) {
        place.fd = *fd;
    }
    let time = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both places are valid; descriptors of -1 are ignored. Whatever ends the wait, its
    // caller looks at everything.
    unsafe {
        libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, time, std::ptr::null())
    };
}

impl<P: Policy> LocalAgent<P> {
    fn main(mut self, ends: &AtomicBool, is_realtime: bool) {
        // A CPU that went offline since leaves the agent where the kernel put it.
        let _best_effort = priority::pin(&[self.cpu].into_iter().collect());
        if is_realtime {
            // The router's thread could, a moment ago; threads inherit it.
            let _inherited = priority::rise();
        }
        let (scheduler, enclave) =
            (Arc::clone(self.backend.kernel.scheduler()), self.backend.kernel.enclave());
        let cpu = u32::from(self.cpu.0);
        if scheduler.attach_agent(enclave, Some(cpu)).is_err() {
            // Dismissed before it began; the router sees that, too.
            return;
        }
        while !ends.load(Ordering::Acquire) && !self.backend.kernel.is_dismissed() {
            self.backend.inbox.hush();
            let now_ns = now_ns();
            let turn = self.agent.turn(now_ns, &mut self.backend);
            if !self.backend.take_stale() {
                let wake_in =
                    turn.wake_at_ns.map(|at| Duration::from_nanos(at.saturating_sub(now_ns)));
                wait(&self.backend.fds(), wake_in);
            } else if turn.messages == 0 {
                // The news may still be with the router, which needs a CPU to forward it: perhaps this.
                wait(&self.backend.fds(), Some(STALE_PAUSE));
            }
        }
    }
}

impl LocalBackend {
    fn fds(&self) -> [i32; 2] {
        [self.kernel.ring().raw_fd(), self.inbox.raw_fd()]
    }

    fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.was_stale)
    }

    /// A task that may no longer use this CPU leaves its agent and is placed anew.
    fn misplace(&mut self, message: Message) -> Message {
        let word = &self.kernel.scheduler().status_words()[message.task.index as usize];
        let tid = word.tid.load(Ordering::Relaxed) as libc::pid_t;
        let may_stay = placement::affinity_of(tid).is_ok_and(|cpus| cpus.contains(self.own));
        if may_stay || self.misplaced.push(message.task).is_err() {
            return message;
        }
        Message { kind: MessageKind::TaskDeparted, ..message }
    }
}

impl Backend for LocalBackend {
    fn topology(&self) -> &Topology {
        self.kernel.topology()
    }

    fn agent_seq(&self) -> Seq {
        self.kernel.agent_seq()
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(message) = self.inbox.receive() {
            return Some(message);
        }
        let message = self.pending.take().or_else(|| self.kernel.next_message())?;
        // What the router forwarded before the task's route was taken comes first.
        if !self.inbox.is_empty() {
            self.pending = Some(message);
            return self.inbox.receive();
        }
        match message.kind {
            MessageKind::TaskAffinityChanged => Some(self.misplace(message)),
            _ => Some(message),
        }
    }

    fn take_overflow(&mut self) -> bool {
        let (inbox, kernel) = (self.inbox.take_rescan(), self.kernel.take_overflow());
        std::mem::take(&mut self.must_rescan) || inbox || kernel
    }

    fn hints(&self, task: TaskId) -> Hints {
        self.kernel.hints(task)
    }

    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints)) {
        self.kernel.rescan(visit);
    }

    fn commit(&mut self, now_ns: u64, seq_read: Seq, batch: &mut Batch) {
        self.kernel.commit(now_ns, seq_read, batch);
        for outcome in batch.transactions().iter().filter_map(|transaction| transaction.outcome) {
            match outcome {
                Outcome::AgentStale | Outcome::Stale => self.was_stale = true,
                // The image has a task that is another agent's by now, or nobody's.
                Outcome::NotFound | Outcome::NotPermitted => self.must_rescan = true,
                _ => {}
            }
        }
    }
}
