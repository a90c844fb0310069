//! The loaded scheduler, as a process that uses it sees it: its tables and its calls.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{AtomicU8, Ordering};

use libbpf_rs::{MapCore as _, MapFlags, MapHandle, ProgramHandle};

use crate::abi::{self, Attach, Commit, Join, Named, Resize, Route, Timer};
use crate::call::{Program, checked};
use crate::error::{CallError, OpenError};
use crate::mapped::Mapped;
use crate::ring::Ring;

/// Where the scheduler is pinned.
pub const PINS: &str = "/sys/fs/bpf/revenant";

/// A handle of the loaded scheduler.
#[derive(Debug)]
pub struct Scheduler {
    status_words: Mapped<abi::StatusWord>,
    channels: Mapped<abi::Channel>,
    transactions: Mapped<abi::Transaction>,
    enclaves: Mapped<abi::Enclave>,
    cpus: Mapped<abi::Cpu>,
    offers: Mapped<abi::Offers>,
    hints: Mapped<abi::Hint>,
    machine: Mapped<abi::Machine>,
    rings: MapHandle,
    /// Held, since the kernel stops timers whose map nobody holds.
    _timers: [MapHandle; 2],
    calls: Calls,
}

#[derive(Debug)]
struct Calls {
    join: Program,
    cancel: Program,
    commit: Program,
    nothing: Program,
    start_watchdog: Program,
    create: Program,
    resize: Program,
    attach: Program,
    detach: Program,
    destroy: Program,
    free: Program,
    route: Program,
    set_timer: Program,
}

/// Runs a call whose arguments carry its result.
macro_rules! call {
    ($self:ident.$program:ident($arguments:expr)) => {
        $self
            .calls
            .$program
            .run($arguments)
            .and_then(|()| checked($arguments.result))
            .map_err(|source| CallError { call: stringify!($program), source })
    };
}

impl Scheduler {
    /// Opens the loaded scheduler.
    ///
    /// # Errors
    /// There is none, it is of another build, or it is not for this user.
    pub fn open() -> Result<Self, OpenError> {
        if !fs::exists(format!("{PINS}/link")).unwrap_or(false) {
            return Err(OpenError::NotLoaded);
        }
        let scheduler = Self::open_pins()?;
        let (ours, theirs) =
            (abi::ABI_VERSION, scheduler.machine().abi_version.load(Ordering::Relaxed));
        if ours == theirs { Ok(scheduler) } else { Err(OpenError::AbiMismatch { theirs, ours }) }
    }

    pub(crate) fn open_pins() -> Result<Self, OpenError> {
        Ok(Self {
            status_words: mapped("status_words", abi::TASKS_MAX)?,
            channels: mapped("channels", abi::CHANNELS_MAX)?,
            transactions: mapped("transactions", abi::ENCLAVES_MAX * abi::CPUS_MAX)?,
            enclaves: mapped("enclaves", abi::ENCLAVES_MAX)?,
            cpus: mapped("cpus", abi::CPUS_MAX)?,
            offers: mapped("offers", abi::ENCLAVES_MAX)?,
            hints: mapped("hints", abi::TASKS_MAX)?,
            machine: mapped("machine", 1)?,
            rings: map("rings")?,
            _timers: [map("watchdogs")?, map("alarms")?],
            calls: Calls::open()?,
        })
    }

    /// Of the whole scheduler.
    pub fn machine(&self) -> &abi::Machine {
        &self.machine[0]
    }

    /// Why the scheduler ended, if it has.
    pub fn exit(&self) -> Option<String> {
        let machine = self.machine();
        // Acquire pairs with the exchange at the end of `rv_exit`.
        let kind = machine.exit_kind.load(Ordering::Acquire);
        (kind != 0).then(|| {
            let (reason, message) = (text(&machine.exit_reason), text(&machine.exit_message));
            if message.is_empty() { reason } else { format!("{reason}: {message}") }
        })
    }

    /// Status words, by slot.
    pub fn status_words(&self) -> &Mapped<abi::StatusWord> {
        &self.status_words
    }

    /// Enclaves, by number.
    pub fn enclaves(&self) -> &Mapped<abi::Enclave> {
        &self.enclaves
    }

    /// CPUs, by number.
    pub fn cpus(&self) -> &Mapped<abi::Cpu> {
        &self.cpus
    }

    /// What applications said of their tasks, by slot.
    pub fn hints(&self) -> &Mapped<abi::Hint> {
        &self.hints
    }

    /// The offers of an enclave's agent.
    pub fn offers(&self, enclave: u32) -> &abi::Offers {
        &self.offers[enclave as usize]
    }

    /// A transaction of an enclave's agent.
    pub fn transaction(&self, enclave: u32, index: usize) -> &abi::Transaction {
        &self.transactions[enclave as usize * abi::CPUS_MAX + index]
    }

    /// A channel of an enclave.
    pub fn channel(&self, enclave: u32, channel: u32) -> &abi::Channel {
        &self.channels[channel_index(enclave, channel)]
    }

    /// Opens a channel of an enclave that holds `capacity` messages. A ring that an earlier reader
    /// left is taken over, if it is large enough; its reader may still be at work until
    /// [`Self::begin_channel`].
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_channel(
        &self,
        enclave: u32,
        channel: u32,
        capacity: usize,
    ) -> Result<Ring, CallError> {
        let failed = |source| CallError { call: "open_channel", source };
        let index = channel_index(enclave, channel) as u32;
        let is_enough = |map: &MapHandle| map.max_entries() >= Ring::bytes_for(capacity);
        if let Some(map) = self.ring_at(index).filter(is_enough) {
            return Ring::map(&map).map_err(failed);
        }
        let map = Ring::create(capacity).map_err(failed)?;
        let value = map.as_fd().as_raw_fd().to_ne_bytes();
        self.rings
            .update(&index.to_ne_bytes(), &value, MapFlags::ANY)
            .map_err(|error| failed(io::Error::other(error)))?;
        Ring::map(&map).map_err(failed)
    }

    /// Makes `ring` the channel's only reader, from the next message on. What an earlier reader left
    /// unread is known from status words.
    pub fn begin_channel(&self, enclave: u32, channel: u32, capacity: usize, ring: &mut Ring) {
        ring.skip_all();
        let record = self.channel(enclave, channel);
        let sent = record.seq.load(Ordering::Relaxed) - record.lost.load(Ordering::Relaxed);
        record.read.store(sent, Ordering::Relaxed);
        record.capacity.store(capacity as u32, Ordering::Relaxed);
    }

    /// The ring a channel has. The kernel gives its id to readers of the table.
    fn ring_at(&self, index: u32) -> Option<MapHandle> {
        let id = self.rings.lookup(&index.to_ne_bytes(), MapFlags::ANY).ok()??;
        let id = u32::from_ne_bytes(id.get(..4)?.try_into().ok()?);
        MapHandle::from_map_id(id).ok()
    }

    /// Reserves a status word for thread `tid`, which must then enter the scheduling class, or
    /// [`Self::cancel`]. Returns the task's id.
    ///
    /// # Errors
    /// `ESRCH`: no such thread. `ENOSPC`: no status word is free. `EEXIST`: the thread is in the
    /// class already. `EINVAL`: no such enclave.
    pub fn join(&self, enclave: u32, tid: u32) -> Result<u64, CallError> {
        let mut join = Join { enclave, tid, ..Join::default() };
        call!(self.join(&mut join))?;
        Ok(join.task)
    }

    /// Gives a reserved status word back.
    ///
    /// # Errors
    /// The kernel's.
    pub fn cancel(&self, tid: u32) -> Result<(), CallError> {
        let mut join = Join { tid, ..Join::default() };
        call!(self.cancel(&mut join))
    }

    /// Commits the transactions in the enclave's part of the table.
    ///
    /// # Errors
    /// `EPERM`: this process is not the enclave's agent. `EINVAL`: nonsense in `commit`.
    pub fn commit(&self, commit: &mut Commit) -> Result<(), CallError> {
        call!(self.commit(commit))
    }

    /// Does nothing: what a call costs by itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn nothing(&self) -> Result<(), CallError> {
        let mut arguments = Commit::default();
        call!(self.nothing(&mut arguments))
    }

    pub(crate) fn start_watchdog(&self) -> Result<(), CallError> {
        let mut arguments = Named::default();
        call!(self.start_watchdog(&mut arguments))
    }

    /// Makes an enclave without CPUs and without an agent. Returns its number.
    ///
    /// # Errors
    /// `ENOSPC`: there are as many as there can be.
    pub fn create_enclave(&self) -> Result<u32, CallError> {
        let mut arguments = Named::default();
        call!(self.create(&mut arguments))?;
        Ok(arguments.enclave)
    }

    /// Gives CPUs to an enclave and takes others from it.
    ///
    /// # Errors
    /// `EBUSY`: `resize.cpu` belongs to another enclave; nothing was changed.
    pub fn resize_enclave(&self, resize: &mut Resize) -> Result<(), CallError> {
        call!(self.resize(resize))
    }

    /// Makes the calling thread an agent of an enclave. `cpu` is where it stays, if it does.
    ///
    /// # Errors
    /// `EBUSY`: the enclave has an agent. `EINVAL`: there is no such enclave.
    pub fn attach_agent(&self, enclave: u32, cpu: Option<u32>) -> Result<(), CallError> {
        let cpu = cpu.unwrap_or(abi::CPUS_MAX as u32);
        let mut arguments = Attach { enclave, cpu, ..Attach::default() };
        call!(self.attach(&mut arguments))
    }

    /// Ends what [`Self::attach_agent`] began, for the whole process.
    ///
    /// # Errors
    /// `EINVAL`: this process is not the enclave's agent.
    pub fn detach_agent(&self, enclave: u32, cpu: Option<u32>) -> Result<(), CallError> {
        let cpu = cpu.unwrap_or(abi::CPUS_MAX as u32);
        let mut arguments = Attach { enclave, cpu, ..Attach::default() };
        call!(self.detach(&mut arguments))
    }

    /// Ends an enclave: its tasks run like strays from now on, until they have left the class.
    ///
    /// # Errors
    /// The kernel's.
    pub fn destroy_enclave(&self, enclave: u32) -> Result<(), CallError> {
        let mut arguments = Named { enclave, result: 0 };
        call!(self.destroy(&mut arguments))
    }

    /// Makes the place of a destroyed enclave free again.
    ///
    /// # Errors
    /// `EBUSY`: it still has tasks. `EINVAL`: it was not destroyed.
    pub fn free_enclave(&self, enclave: u32) -> Result<(), CallError> {
        let mut arguments = Named { enclave, result: 0 };
        call!(self.free(&mut arguments))
    }

    /// Sends a task's messages to another channel of its enclave from now on.
    ///
    /// # Errors
    /// `ESTALE`: messages are pending. `ESRCH`: no such task. `EPERM`: another enclave's.
    pub fn route(&self, route: &mut Route) -> Result<(), CallError> {
        call!(self.route(route))
    }

    /// CPU_TIMER_EXPIRED for a CPU after a while; after 0: no longer.
    ///
    /// # Errors
    /// `EINVAL`: no such CPU or enclave.
    pub fn set_timer(&self, enclave: u32, cpu: u32, after_ns: u64) -> Result<(), CallError> {
        let mut timer = Timer { enclave, cpu, after_ns, ..Timer::default() };
        call!(self.set_timer(&mut timer))
    }
}

impl Calls {
    fn open() -> Result<Self, OpenError> {
        Ok(Self {
            join: program("rv_join")?,
            cancel: program("rv_cancel")?,
            commit: program("rv_commit_batch")?,
            nothing: program("rv_nothing")?,
            start_watchdog: program("rv_start_watchdog")?,
            create: program("rv_create")?,
            resize: program("rv_resize_enclave")?,
            attach: program("rv_attach_agent")?,
            detach: program("rv_detach_agent")?,
            destroy: program("rv_destroy_enclave")?,
            free: program("rv_free")?,
            route: program("rv_route_task")?,
            set_timer: program("rv_set_timer")?,
        })
    }
}

fn channel_index(enclave: u32, channel: u32) -> usize {
    enclave as usize * abi::CHANNELS_PER_ENCLAVE + channel as usize
}

/// Text of the kernel half, up to its zero.
pub fn text(bytes: &[AtomicU8]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Writes `text` for [`text`] to read, cut to what fits.
pub fn set_text(bytes: &[AtomicU8], text: &str) {
    let last = bytes.len() - 1;
    for (index, byte) in bytes.iter().enumerate() {
        let value = text.as_bytes().get(index).copied().filter(|_| index < last).unwrap_or(0);
        byte.store(value, Ordering::Relaxed);
    }
}

fn opened(path: String, error: libbpf_rs::Error) -> OpenError {
    match error.kind() {
        libbpf_rs::ErrorKind::NotFound => OpenError::NotLoaded,
        libbpf_rs::ErrorKind::PermissionDenied => OpenError::Denied { path },
        _ => OpenError::Pin { path, source: io::Error::other(error) },
    }
}

fn map(name: &str) -> Result<MapHandle, OpenError> {
    let path = format!("{PINS}/{name}");
    MapHandle::from_pinned_path(&path).map_err(|error| opened(path, error))
}

fn mapped<T>(name: &str, len: usize) -> Result<Mapped<T>, OpenError> {
    let map = map(name)?;
    let path = || format!("{PINS}/{name}");
    // Another build's table: its version word may not even be where ours is.
    if map.value_size() as usize != size_of::<T>() || map.max_entries() as usize != len {
        return Err(OpenError::AbiMismatch { theirs: 0, ours: abi::ABI_VERSION });
    }
    Mapped::new(map.as_fd(), len).map_err(|source| OpenError::Pin { path: path(), source })
}

fn program(name: &str) -> Result<Program, OpenError> {
    let path = format!("{PINS}/{name}");
    let handle =
        ProgramHandle::from_pinned_path(&path).map_err(|error| opened(path.clone(), error))?;
    let fd = handle.as_fd().try_clone_to_owned();
    Ok(Program::new(fd.map_err(|source| OpenError::Pin { path, source })?))
}
