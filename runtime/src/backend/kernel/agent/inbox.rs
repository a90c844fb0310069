//! The inbox of a local agent: messages about tasks that were placed on its CPU, forwarded by the
//! router until the kernel half sends them there itself.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::message::Message;

/// A queue that wakes its reader.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: ArrayQueue<Message>,
    must_rescan: AtomicBool,
    bell: OwnedFd,
}

impl Inbox {
    /// An inbox for `capacity` messages; what does not fit makes its reader rescan.
    pub(super) fn new(capacity: usize) -> io::Result<Self> {
        // SAFETY: no pointers.
        let bell = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if bell < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else's.
        let bell = unsafe { OwnedFd::from_raw_fd(bell) };
        Ok(Self { messages: ArrayQueue::new(capacity), must_rescan: AtomicBool::new(false), bell })
    }

    pub(super) fn send(&self, message: Message) {
        if self.messages.push(message).is_err() {
            self.must_rescan.store(true, Ordering::Release);
        }
    }

    /// Makes the reader rebuild its image from status words, as after an overflow.
    pub(super) fn demand_rescan(&self) {
        // Release pairs with the acquire in `take_rescan`: the route that is the reason is taken.
        self.must_rescan.store(true, Ordering::Release);
        self.ring();
    }

    /// Wakes the reader: there is something in the inbox, or an end to be noticed.
    pub(super) fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes. A full counter has rung already.
        unsafe { libc::write(self.bell.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    pub(super) fn receive(&self) -> Option<Message> {
        self.messages.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn take_rescan(&self) -> bool {
        self.must_rescan.swap(false, Ordering::Acquire)
    }

    /// Silences the bell; to be called before looking at the inbox.
    pub(super) fn hush(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes. An error means that nobody has rung.
        unsafe { libc::read(self.bell.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }
}
