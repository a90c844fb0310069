//! Sockets through one io_uring: operations that stay (accept, receive) post a completion for each
//! event, sends go out together, and the kernel is entered once a turn, if there is any reason.
//!
//! # Rules of this memory
//! The kernel reads a buffer that is being sent until that send completes: the buffer lies in its
//! socket's entry, is not touched there, and a socket leaves the table only when nothing of it is under
//! way. What is received lies in a ring of buffers, which has rules of its own. A ring that is dropped
//! first cancels everything that is under way.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use rustix::event::{EventfdFlags, eventfd};
use slab::Slab;

use crate::transport::{Doors, Event, Key, Transport};

mod buffer_ring;
mod operation;

use buffer_ring::BufferRing;
use operation::Operation;

/// Operations between two entries into the kernel; more cause an entry of their own.
const SUBMISSIONS: u32 = 256;

/// Events between two looks. A full queue is no loss: the kernel keeps the rest.
const COMPLETIONS: u32 = 4096;

/// Events taken in one turn, so that the agent has its turn too: some 100 us of work.
const EVENTS_PER_TURN: usize = 128;

/// See the module.
pub struct Ring {
    ring: IoUring,
    buffers: BufferRing,
    sockets: Slab<Socket>,
    doors: Doors,
    bell: OwnedFd,
    phase: Phase,
    /// Operations for which the queue to the kernel had no room. At most three a socket.
    backlog: VecDeque<Entry>,
    /// Listeners that had no descriptor or memory for a client.
    starved: Vec<usize>,
}

/// A ring is bound to the first thread that uses it: it is set up on one and used on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Disabled,
    Accepting,
    Closed,
}

#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    wants_input: bool,
    is_receiving: bool,
    sending: Option<Sending>,
    is_closed: bool,
}

/// A buffer on its way out, and how far it is.
#[derive(Debug)]
struct Sending {
    buffer: Vec<u8>,
    sent: usize,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Ring {
    /// Sets a ring up.
    ///
    /// # Errors
    /// The kernel has no io_uring, forbids it, or is older than 6.1.
    pub fn new(doors: Doors) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_r_disabled()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = BufferRing::register(&ring)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            ring,
            buffers,
            sockets: Slab::new(),
            doors,
            bell,
            phase: Phase::Disabled,
            backlog: VecDeque::new(),
            starved: Vec::new(),
        })
    }

    /// Whether rings are to be had.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn check() -> io::Result<()> {
        Self::new(Doors::default()).map(drop)
    }

    fn enable(&mut self) -> io::Result<()> {
        self.ring.submitter().register_enable_rings()?;
        self.phase = Phase::Accepting;
        self.watch(Operation::Bell, self.bell.as_raw_fd());
        for listener in 0..self.doors.listeners.len() {
            self.accept(listener);
        }
        for port in 0..self.doors.ports.len() {
            self.watch(Operation::Port(port), self.doors.ports[port].as_raw_fd());
        }
        Ok(())
    }

    fn push(&mut self, entry: &Entry, operation: Operation) {
        self.backlog.push_back(entry.clone().user_data(operation.to_bits()));
        self.fill();
    }

    /// Moves what was asked for to the queue to the kernel, as far as there is room.
    fn fill(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: what entries point to obeys the rules of this memory: buffers being sent stay
            // in their socket, received bytes go to the buffer ring, the rest points nowhere.
            if unsafe { queue.push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    fn watch(&mut self, operation: Operation, fd: RawFd) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build();
        self.push(&entry, operation);
    }

    fn accept(&mut self, listener: usize) {
        let fd = Fd(self.doors.listeners[listener].as_raw_fd());
        let entry = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build();
        self.push(&entry, Operation::Accept(listener));
    }

    fn start_receiving(&mut self, key: Key) {
        let socket = &mut self.sockets[key.index()];
        socket.is_receiving = true;
        let entry = opcode::RecvMulti::new(Fd(socket.fd.as_raw_fd()), BufferRing::GROUP).build();
        self.push(&entry, Operation::Receive(key));
    }

    fn start_sending(&mut self, key: Key) {
        let socket = &self.sockets[key.index()];
        let Some(Sending { buffer, sent }) = &socket.sending else { return };
        let rest = &buffer[*sent..];
        let length = rest.len().min(u32::MAX as usize) as u32;
        let entry = opcode::Send::new(Fd(socket.fd.as_raw_fd()), rest.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push(&entry, Operation::Send(key));
    }

    /// Enters the kernel if it has something for us, or we for it.
    fn enter(&mut self) -> io::Result<()> {
        let queue = self.ring.submission();
        let has_reason = !queue.is_empty() || queue.taskrun() || queue.cq_overflow();
        drop(queue);
        if !has_reason {
            return Ok(());
        }
        ignore_interruptions(self.ring.submit())?;
        self.fill();
        Ok(())
    }

    fn handle(&mut self, completion: &cqueue::Entry, event: &mut impl FnMut(Event<'_>)) {
        let (result, flags) = (completion.result(), completion.flags());
        match Operation::from_bits(completion.user_data()) {
            Operation::Accept(listener) => self.accepted(listener, (result, flags), event),
            Operation::Receive(key) => self.received(key, (result, flags), event),
            Operation::Send(key) => self.sent(key, result, event),
            Operation::Cancel => {}
            Operation::Bell => {
                let _silenced = rustix::io::read(&self.bell, &mut [0; 8]);
                if !cqueue::more(flags) {
                    self.watch(Operation::Bell, self.bell.as_raw_fd());
                }
            }
            Operation::Port(port) => {
                event(Event::Readable { port });
                if !cqueue::more(flags) {
                    self.watch(Operation::Port(port), self.doors.ports[port].as_raw_fd());
                }
            }
        }
    }

    fn accepted(
        &mut self,
        listener: usize,
        (result, flags): (i32, u32),
        event: &mut impl FnMut(Event<'_>),
    ) {
        match operation::descriptor(result) {
            Ok(fd) => {
                let key = Key(self.sockets.insert(Socket::new(fd)) as u32);
                event(Event::Accepted { key, listener });
            }
            Err(error) if self.phase == Phase::Accepting => {
                event(Event::AcceptFailed(error));
                self.starved.push(listener);
                return;
            }
            Err(_cancelled) => {}
        }
        if !cqueue::more(flags) && self.phase == Phase::Accepting {
            self.accept(listener);
        }
    }

    fn received(
        &mut self,
        key: Key,
        (result, flags): (i32, u32),
        event: &mut impl FnMut(Event<'_>),
    ) {
        let socket = &mut self.sockets[key.index()];
        let is_open = !socket.is_closed;
        socket.is_receiving = cqueue::more(flags);
        if let Some(buffer) = cqueue::buffer_select(flags) {
            let length = result.max(0) as usize;
            if is_open && length > 0 {
                event(Event::Received { key, bytes: self.buffers.filled(buffer, length) });
            }
            self.buffers.recycle(buffer);
        }
        // Out of buffers for a moment, or told to pause: no end.
        let has_ended = !matches!(-result, libc::ENOBUFS | libc::ECANCELED) && result <= 0;
        let socket = &mut self.sockets[key.index()];
        if has_ended && is_open {
            socket.wants_input = false;
            event(Event::Ended { key });
        }
        if !socket.is_receiving && socket.wants_input && is_open {
            self.start_receiving(key);
        }
        self.forget_if_done(key);
    }

    fn sent(&mut self, key: Key, result: i32, event: &mut impl FnMut(Event<'_>)) {
        let socket = &mut self.sockets[key.index()];
        let Some(sending) = &mut socket.sending else { return };
        sending.sent += result.max(0) as usize;
        let is_whole = sending.sent == sending.buffer.len();
        if result > 0 && !is_whole && !socket.is_closed {
            return self.start_sending(key);
        }
        let buffer = socket.sending.take().map(|sending| sending.buffer).unwrap_or_default();
        match (socket.is_closed, is_whole) {
            (true, _) => self.forget_if_done(key),
            (false, true) => event(Event::Sent { key, buffer }),
            (false, false) => event(Event::Unsendable { key }),
        }
    }

    /// Frees a closed socket once nothing of it is under way.
    fn forget_if_done(&mut self, key: Key) {
        let socket = &self.sockets[key.index()];
        if socket.is_closed && !socket.is_receiving && socket.sending.is_none() {
            self.sockets.remove(key.index());
        }
    }

    fn cancel(&mut self, operation: Operation) {
        let entry = opcode::AsyncCancel::new(operation.to_bits()).build();
        self.push(&entry, Operation::Cancel);
    }
}

impl Socket {
    fn new(fd: OwnedFd) -> Self {
        Self { fd, wants_input: false, is_receiving: false, sending: None, is_closed: false }
    }
}

impl Transport for Ring {
    fn poll(&mut self, mut event: impl FnMut(Event<'_>)) -> io::Result<()> {
        if self.phase == Phase::Disabled {
            self.enable()?;
        }
        self.enter()?;
        for _ in 0..EVENTS_PER_TURN {
            let Some(completion) = self.ring.completion().next() else { break };
            self.handle(&completion, &mut event);
        }
        self.buffers.publish();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.ring.submission().is_empty() { Ok(()) } else { self.enter() }
    }

    fn receive(&mut self, key: Key, is_wanted: bool) {
        let socket = &mut self.sockets[key.index()];
        socket.wants_input = is_wanted;
        match (is_wanted, socket.is_receiving) {
            (true, false) => self.start_receiving(key),
            (false, true) => self.cancel(Operation::Receive(key)),
            _ => {}
        }
    }

    fn send(&mut self, key: Key, buffer: Vec<u8>) {
        let socket = &mut self.sockets[key.index()];
        debug_assert!(socket.sending.is_none(), "one buffer at a time");
        socket.sending = Some(Sending { buffer, sent: 0 });
        self.start_sending(key);
    }

    fn close(&mut self, key: Key) {
        let socket = &mut self.sockets[key.index()];
        socket.is_closed = true;
        socket.wants_input = false;
        if socket.is_receiving || socket.sending.is_some() {
            // What is under way completes at once; a peer that is gone already needs no telling.
            let _gone = rustix::net::shutdown(&socket.fd, rustix::net::Shutdown::Both);
        }
        self.forget_if_done(key);
    }

    fn retry_accepting(&mut self) {
        while let Some(listener) = self.starved.pop() {
            self.accept(listener);
        }
    }

    fn stop_accepting(&mut self) {
        self.phase = Phase::Closed;
        self.starved.clear();
        for listener in 0..self.doors.listeners.len() {
            self.cancel(Operation::Accept(listener));
        }
    }

    fn doors(&self) -> &Doors {
        &self.doors
    }

    fn bell(&self) -> io::Result<File> {
        Ok(self.bell.try_clone()?.into())
    }

    fn sleep(&mut self, time: Duration) -> io::Result<()> {
        if !self.backlog.is_empty() {
            return self.enter();
        }
        let time = Timespec::from(time);
        let args = SubmitArgs::new().timespec(&time);
        ignore_interruptions(self.ring.submitter().submit_with_args(1, &args))
    }
}

/// Sleeps end early, and that is all right.
fn ignore_interruptions(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Err(error)
            if !matches!(
                error.raw_os_error(),
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.phase == Phase::Disabled {
            return;
        }
        let cancelled = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
        let is_idle = match cancelled {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(libc::ENOENT),
        };
        if !is_idle {
            // The kernel may still write there: better lost than given to somebody else.
            self.buffers.leak();
            std::mem::forget(std::mem::take(&mut self.sockets));
        }
    }
}
