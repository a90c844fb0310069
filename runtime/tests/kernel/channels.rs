//! Channels: where messages go, whom they wake, and what happens when one is full.

use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use revenant::backend::Backend as _;
use revenant::backend::kernel::enclaves;
use revenant::message::MessageKind;
use revenant::task::{TaskId, TaskState};
use revenant_bpf::Ring;
use revenant_bpf::abi::{self, Route};

use crate::guest::{bind, sleeps, undisturbed, wait_for};
use crate::stage::{Performer, Stage, patient};

fn route(stage: &Stage, task: TaskId, channel: u32) -> Route {
    let seq = stage.status(task).map_or(0, |status| status.seq.0);
    Route { task: task.to_bits(), enclave: stage.enclave(), seq, channel, result: 0 }
}

/// A channel's messages from now on.
fn ring_of(stage: &Stage, channel: u32) -> Ring {
    let (scheduler, enclave) = (stage.scheduler(), stage.enclave());
    let mut ring = scheduler.open_channel(enclave, channel, 64).expect("a ring");
    scheduler.begin_channel(enclave, channel, 64, &mut ring);
    ring
}

fn errno(stage: &Stage, mut route: Route) -> i32 {
    stage.scheduler().route(&mut route).map_or_else(|error| error.errno(), |()| 0)
}

#[test]
fn a_task_can_be_routed_to_a_channel_of_its_own() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let mut own = ring_of(&stage, 7);
        let (task, _spin) = stage.spinner();
        let (other, _waits) = stage.spinner();
        stage.hear_of(task, MessageKind::TaskNew);
        assert_eq!(errno(&stage, route(&stage, task, 7)), 0);

        for task in [task, other] {
            bind(stage.tid(task), [0, 1]).expect("they are online");
        }
        let message = wait_for("a message in the task's channel", || own.read());
        assert_eq!(message.task, task.to_bits());
        assert_eq!(message.kind, MessageKind::TaskAffinityChanged as u16);
        stage.hear_of(other, MessageKind::TaskAffinityChanged);
        assert_eq!(stage.kinds_of(task), [MessageKind::TaskNew]);
        assert!(own.read().is_none(), "the other task's messages go where they went");

        // A rescan is of one channel's tasks.
        let mut seen = Vec::new();
        stage.kernel.rescan(&mut |task, _, _| seen.push(task));
        assert_eq!(seen, [other]);
    });
}

#[test]
fn a_task_with_unread_messages_stays_where_it_is() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, _spin) = stage.spinner();
        let stale = route(&stage, task, 7);
        bind(stage.tid(task), [0, 1]).expect("they are online");
        assert_eq!(errno(&stage, stale), libc::ESTALE);
        stage.hear_of(task, MessageKind::TaskAffinityChanged);

        let enclave = (stage.enclave() + 1) % abi::ENCLAVES_MAX as u32;
        assert_eq!(errno(&stage, Route { enclave, ..route(&stage, task, 7) }), libc::EPERM);
        let channel = abi::CHANNELS_PER_ENCLAVE as u32;
        assert_eq!(errno(&stage, route(&stage, task, channel)), libc::EINVAL);
        let gone = Route { task: task.to_bits() + (1 << 32), ..route(&stage, task, 7) };
        assert_eq!(errno(&stage, gone), libc::ESRCH);
    });
}

#[test]
fn messages_of_a_cpu_go_to_its_agents_channel_if_there_are_such_agents() {
    undisturbed(|| {
        let spec = enclaves::Spec { flags: abi::PER_CPU_AGENTS, ..patient([1, 2]) };
        let mut stage = Stage::of(&spec);
        let mut own = ring_of(&stage, 3);
        stage.scheduler().set_timer(stage.enclave(), 2, 1).expect("there is such a CPU");
        let message = wait_for("a message in CPU 2's channel", || own.read());
        assert_eq!((message.kind, message.cpu), (MessageKind::CpuTimerExpired as u16, 2));
        assert_eq!(stage.count(MessageKind::CpuTimerExpired), 0);
    });
}

/// A thread that sleeps on a ring until that wakes it, or until it is let go.
struct Sleeper {
    reader: Performer,
    is_woken: Arc<AtomicBool>,
    lets_go: std::os::unix::net::UnixStream,
}

impl Sleeper {
    fn on(ring: Ring) -> Self {
        let (reader, is_woken) = (Performer::start(), Arc::new(AtomicBool::new(false)));
        let (lets_go, let_go) = std::os::unix::net::UnixStream::pair().expect("two ends");
        let tells = Arc::clone(&is_woken);
        reader.order(move || {
            let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut polled = [entry(ring.raw_fd()), entry(let_go.as_raw_fd())];
            // SAFETY: there are two entries, and they live through the call.
            assert!(unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) } > 0);
            tells.store(polled[1].revents == 0, Ordering::SeqCst);
        });
        wait_for("the reader sleeps", || sleeps(reader.tid).then_some(()));
        Self { reader, is_woken, lets_go }
    }

    fn end(self) {
        drop(self.lets_go);
        self.reader.dismiss().expect("it only slept");
    }
}

/// A message of a timer, once it is in the default channel.
fn expire(stage: &Stage) {
    let (scheduler, enclave) = (stage.scheduler(), stage.enclave());
    let seq = || scheduler.channel(enclave, 0).seq.load(Ordering::SeqCst);
    let before = seq();
    scheduler.set_timer(enclave, 1, 1).expect("there is such a CPU");
    wait_for("a message", || (seq() > before).then_some(()));
}

#[test]
fn a_channel_wakes_its_reader_if_it_is_told_to() {
    undisturbed(|| {
        let stage = Stage::new(1);
        let (scheduler, enclave) = (stage.scheduler(), stage.enclave());
        let ring = ring_of(&stage, 0);
        scheduler.channel(enclave, 0).wakes.store(1, Ordering::SeqCst);
        let sleeper = Sleeper::on(ring);
        expire(&stage);
        wait_for("it wakes", || sleeper.is_woken.load(Ordering::SeqCst).then_some(()));
        scheduler.channel(enclave, 0).wakes.store(0, Ordering::SeqCst);
        sleeper.end();
    });
}

#[test]
fn a_channel_lets_its_reader_sleep_otherwise() {
    undisturbed(|| {
        let stage = Stage::new(1);
        let ring = ring_of(&stage, 0);
        let sleeper = Sleeper::on(ring);
        (0..3).for_each(|_| expire(&stage));
        assert!(sleeps(sleeper.reader.tid) && !sleeper.is_woken.load(Ordering::SeqCst));
        sleeper.end();
    });
}

#[test]
fn what_a_full_channel_loses_is_counted_and_found_by_a_rescan() {
    undisturbed(|| {
        const TASKS: usize = 8;
        let mut stage = Stage::with_room(&patient([1]), 2);
        // Other enclaves had this place, and lost some of theirs.
        let lost_before = stage.scheduler().channel(stage.enclave(), 0).lost.load(Ordering::SeqCst);
        let (tasks, _spins): (Vec<_>, Vec<_>) = (0..TASKS).map(|_| stage.spinner()).unzip();
        let scheduler = stage.scheduler();
        let lost = &scheduler.channel(stage.enclave(), 0).lost;
        assert_eq!(lost.load(Ordering::SeqCst) - lost_before, TASKS as u64 - 2);
        assert!(stage.kernel.take_overflow());
        assert!(!stage.kernel.take_overflow(), "once is enough");

        let mut found = Vec::new();
        stage.kernel.rescan(&mut |task, status, _| {
            assert_eq!(status.state, TaskState::Queued);
            found.push(task);
        });
        found.sort_unstable();
        let mut tasks = tasks;
        tasks.sort_unstable();
        assert_eq!(found, tasks);
        // What was read makes room.
        stage.drain();
        stage.run_on(tasks[0], 1);
        stage.hear_of(tasks[0], MessageKind::TaskOnCpu);
    });
}
