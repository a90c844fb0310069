//! Buffers the kernel receives into: whoever has bytes takes one, so a connection that is silent has
//! none.
//!
//! # Rules of this memory
//! One allocation holds the ring of entries, then the buffers. A buffer is the kernel's from the
//! [`BufferRing::publish`] after it was recycled until a completion names it, then ours until it is
//! recycled. The entries are written by this thread only, and beyond the published tail, where the
//! kernel does not look.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// Buffers, a power of two. All of them are free between two turns: this bounds what one turn takes.
const BUFFERS: u16 = 256;

/// A buffer's bytes. Longer requests take several; halved, a 4 KiB value would.
const BUFFER_BYTES: usize = 8 << 10;

const PAGE_BYTES: usize = 4096;
const ENTRIES_BYTES: usize =
    (BUFFERS as usize * size_of::<BufRingEntry>()).next_multiple_of(PAGE_BYTES);
const LAYOUT: Layout =
    match Layout::from_size_align(ENTRIES_BYTES + BUFFERS as usize * BUFFER_BYTES, PAGE_BYTES) {
        Ok(layout) => layout,
        Err(_) => panic!("the sizes above make no layout"),
    };

#[derive(Debug)]
pub(super) struct BufferRing {
    memory: NonNull<u8>,
    /// Entries written; the kernel knows of them after `publish`.
    tail: u16,
    is_leaked: bool,
}

// SAFETY: the memory has one owner, and nothing in it depends on a thread.
unsafe impl Send for BufferRing {}

impl BufferRing {
    /// The number it is registered under.
    pub(super) const GROUP: u16 = 0;

    pub(super) fn register(ring: &IoUring) -> io::Result<Self> {
        // SAFETY: the layout is not empty.
        let Some(memory) = NonNull::new(unsafe { alloc_zeroed(LAYOUT) }) else {
            handle_alloc_error(LAYOUT);
        };
        let mut buffers = Self { memory, tail: 0, is_leaked: false };
        let address = memory.as_ptr() as u64;
        // SAFETY: page-aligned memory for that many entries, which outlives its use: the ring that
        // owns both cancels everything before it lets go of this.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(address, BUFFERS, Self::GROUP, 0)?;
        }
        (0..BUFFERS).for_each(|buffer| buffers.recycle(buffer));
        buffers.publish();
        Ok(buffers)
    }

    fn buffer(&self, buffer: u16) -> *mut u8 {
        let offset = ENTRIES_BYTES + usize::from(buffer % BUFFERS) * BUFFER_BYTES;
        // SAFETY: within the allocation, by its layout.
        unsafe { self.memory.as_ptr().add(offset) }
    }

    /// What a completion put into `buffer`. Until it is recycled.
    pub(super) fn filled(&self, buffer: u16, length: usize) -> &[u8] {
        // SAFETY: a completion named the buffer, so it is ours; it is initialised as a whole.
        unsafe { std::slice::from_raw_parts(self.buffer(buffer), length.min(BUFFER_BYTES)) }
    }

    /// Gives a buffer back. A buffer is named by one completion, so it is given back once.
    pub(super) fn recycle(&mut self, buffer: u16) {
        let address = self.buffer(buffer) as u64;
        let place = usize::from(self.tail % BUFFERS);
        // SAFETY: within the entries, beyond the published tail, so the kernel does not read it.
        let entry = unsafe { &mut *self.memory.as_ptr().cast::<BufRingEntry>().add(place) };
        entry.set_addr(address);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was given back.
    pub(super) fn publish(&self) {
        // SAFETY: the tail lies in the first entry's unused half; the kernel only reads it.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.memory.as_ptr().cast());
            AtomicU16::from_ptr(tail.cast_mut())
        };
        // Release pairs with the kernel's acquire: it sees the entries before the tail.
        tail.store(self.tail, Ordering::Release);
    }

    /// Never frees the memory.
    pub(super) fn leak(&mut self) {
        self.is_leaked = true;
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        if !self.is_leaked {
            // SAFETY: allocated with this layout, and nobody uses it: see the rules of the ring.
            unsafe { dealloc(self.memory.as_ptr(), LAYOUT) };
        }
    }
}
