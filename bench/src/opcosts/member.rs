//! A member: a thread of the enclave that sleeps until it is woken, and sleeps again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use revenant::backend::Backend as _;
use revenant::backend::kernel::{Kernel, members};
use revenant::cpu::CpuSet;
use revenant::message::{Message, MessageKind};
use revenant::task::{TaskId, TaskState};

use super::OpcostError;
use super::stage::Stage;
use crate::affinity;

/// What a thread that is lost looks like. Waiting costs an emulated CPU much longer than that.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) task: TaskId,
    thread: JoinHandle<()>,
    ends: Arc<AtomicBool>,
}

impl Member {
    /// Starts one on `cpus` of the stage's enclave. It is asleep soon.
    pub(super) fn start(stage: &Stage, cpus: CpuSet) -> Result<Self, OpcostError> {
        let (scheduler, enclave) = (Arc::clone(&stage.scheduler), stage.enclave);
        let ends = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ends);
        let (told, joined) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let result =
                confine(&cpus).and_then(|()| Ok(members::join(&scheduler, enclave, own_tid())?));
            let is_member = result.is_ok();
            // The starter waits for it.
            let _ = told.send(result);
            while is_member && !until.load(Ordering::Acquire) {
                std::thread::park();
            }
        });
        let task = joined.recv().expect("it reports before it ends")?;
        Ok(Self { task, thread, ends })
    }

    /// Wakes it.
    pub(super) fn wake(&self) {
        self.thread.thread().unpark();
    }

    /// Whether it sleeps, by its status word.
    pub(super) fn is_asleep(&self, stage: &Stage) -> bool {
        let word = stage.scheduler.status_words()[self.task.index as usize].read();
        let state = word.map(|words| TaskState::from_bits((words.seq_state_cpu >> 32) as u8));
        state == Some(TaskState::Blocked)
    }

    /// Has it end as soon as it runs.
    pub(super) fn let_go(&self) {
        self.ends.store(true, Ordering::Release);
        self.wake();
    }
}

pub(super) fn own_tid() -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::gettid() as u32 }
}

/// Keeps the calling thread on `cpus`.
pub(super) fn confine(cpus: &CpuSet) -> Result<(), OpcostError> {
    affinity::confine(cpus)
        .map_err(|source| OpcostError::System { action: "keep to its CPUs", source })
}

/// Spins until `is_so`, with a hint to whoever emulates this CPU.
pub(super) fn spin_until(
    what: &'static str,
    mut is_so: impl FnMut() -> bool,
) -> Result<(), OpcostError> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > PATIENCE {
            return Err(OpcostError::Late { what, seconds: PATIENCE.as_secs() });
        }
        std::hint::spin_loop();
    }
    Ok(())
}

/// Reads messages until one of `kind` about `task`.
pub(super) fn await_message(
    kernel: &mut Kernel,
    task: TaskId,
    kind: MessageKind,
) -> Result<Message, OpcostError> {
    let mut found = None;
    spin_until("a message", || {
        found = kernel.next_message().filter(|m| m.task == task && m.kind == kind);
        found.is_some()
    })?;
    Ok(found.expect("just found"))
}

/// Time for other CPUs to finish what they do and idle.
pub(super) fn settle() {
    for _ in 0..200 {
        std::hint::spin_loop();
    }
}
