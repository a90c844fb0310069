//! A channel's messages: the reader's end of a kernel ring buffer.
//!
//! # Rules of this memory
//! - The kernel writes the producer's position and the data, this reader the consumer's position.
//! - A record starts with its length; the upper two bits say that it is still being written, or was
//!   thrown away. The kernel publishes both with release stores, which the acquire loads here pair
//!   with.
//! - The data is mapped twice in a row, so that a record never wraps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use libbpf_rs::{MapCore as _, MapHandle, MapType};

use crate::abi::Message;
use crate::mapped::page_bytes;

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER_BYTES: u64 = 8;

/// Reads one channel's messages. There may be one reader at a time.
#[derive(Debug)]
pub struct Ring {
    map: OwnedFd,
    consumer: NonNull<AtomicU64>,
    producer: NonNull<AtomicU64>,
    data: NonNull<u8>,
    bytes: u64,
    mapped_bytes: usize,
    /// This reader's own position: the shared one is only written.
    position: u64,
}

// SAFETY: the mappings are not tied to a thread, and `&mut self` reads them.
unsafe impl Send for Ring {}

impl Ring {
    /// The bytes of a ring that holds `messages`: a power of two, and whole pages.
    pub fn bytes_for(messages: usize) -> u32 {
        let record = HEADER_BYTES as usize + size_of::<Message>();
        (messages * record).next_power_of_two().max(page_bytes()) as u32
    }

    /// Makes the kernel's side of a ring for `messages`.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn create(messages: usize) -> io::Result<MapHandle> {
        let options = libbpf_rs::libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_rs::libbpf_sys::bpf_map_create_opts>() as u64,
            ..Default::default()
        };
        MapHandle::create(
            MapType::RingBuf,
            Some("rv_ring"),
            0,
            0,
            Self::bytes_for(messages),
            &options,
        )
        .map_err(io::Error::other)
    }

    /// Maps a ring for reading from where the last reader stopped.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn map(map: &MapHandle) -> io::Result<Self> {
        let fd = map.as_fd().try_clone_to_owned()?;
        let (page, bytes) = (page_bytes(), map.max_entries() as usize);
        let consumer = map_pages(fd.as_fd(), page, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        let mapped_bytes = page + 2 * bytes;
        let producer = map_pages(fd.as_fd(), mapped_bytes, libc::PROT_READ, page)?;
        // SAFETY: the data follows the producer's page in the same mapping.
        let data = unsafe { producer.add(page) };
        let (consumer, producer) = (consumer.cast::<AtomicU64>(), producer.cast());
        // SAFETY: mapped above; the consumer's position is its first word.
        let position = unsafe { consumer.as_ref() }.load(Ordering::Relaxed);
        Ok(Self { map: fd, consumer, producer, data, bytes: bytes as u64, mapped_bytes, position })
    }

    /// Goes on from where the last reader stopped, and past everything there is.
    pub(crate) fn skip_all(&mut self) {
        // SAFETY: mapped by `map` for as long as `self` lives. Acquire pairs with the release in
        // `read`, of whoever read before.
        self.position = unsafe { self.consumer.as_ref() }.load(Ordering::Acquire);
        while self.read().is_some() {}
    }

    /// The next message.
    pub fn read(&mut self) -> Option<Message> {
        loop {
            // SAFETY: mapped by `map` for as long as `self` lives.
            // Acquire pairs with the kernel's release of the producer's position.
            let end = unsafe { self.producer.as_ref() }.load(Ordering::Acquire);
            if self.position >= end {
                return None;
            }
            let offset = (self.position & (self.bytes - 1)) as usize;
            // SAFETY: below the producer's position there is a whole record, and the second mapping
            // of the data keeps it in one piece. Records are 8-byte aligned.
            let header = unsafe { self.data.add(offset).cast::<AtomicU32>().as_ref() };
            // Acquire pairs with the kernel's release at submit.
            let length = header.load(Ordering::Acquire);
            if length & BUSY != 0 {
                return None;
            }
            let is_message = length & DISCARDED == 0 && length as usize == size_of::<Message>();
            // SAFETY: the record is submitted, so nobody writes it until it is consumed below.
            let message = is_message.then(|| unsafe {
                self.data.add(offset + HEADER_BYTES as usize).cast::<Message>().read()
            });
            let body = u64::from(length & !DISCARDED);
            self.position += HEADER_BYTES + body.next_multiple_of(8);
            // SAFETY: as above. Release: the record is free only after it was read.
            unsafe { self.consumer.as_ref() }.store(self.position, Ordering::Release);
            if message.is_some() {
                return message;
            }
        }
    }

    /// Whether a message can be read.
    pub fn is_empty(&self) -> bool {
        // SAFETY: mapped for as long as `self` lives. Acquire as in `read`.
        self.position >= unsafe { self.producer.as_ref() }.load(Ordering::Acquire)
    }

    /// For `poll`: readable when a channel that wakes has a message.
    pub fn raw_fd(&self) -> RawFd {
        self.map.as_raw_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mappings made by `map`.
        unsafe {
            libc::munmap(self.consumer.as_ptr().cast(), page_bytes());
            libc::munmap(self.producer.as_ptr().cast(), self.mapped_bytes);
        }
    }
}

fn map_pages(
    fd: BorrowedFd<'_>,
    bytes: usize,
    protection: i32,
    offset: usize,
) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            protection,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            offset as libc::off_t,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(NonNull::new(base.cast()).expect("a mapping is not at 0"))
}
