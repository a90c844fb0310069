//! Tables of the kernel half, mapped into this process.
//!
//! # Rules of this memory
//! - A table lives as long as its mapping, also after its scheduler was unloaded.
//! - The elements' types are made of atomics and of fields that nobody writes (`abi`), so shared
//!   references to them are sound whatever the kernel and other processes do meanwhile.

use std::io;
use std::marker::PhantomData;
use std::ops::Index;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// An array of `T`, shared with the kernel.
#[derive(Debug)]
pub struct Mapped<T> {
    base: NonNull<T>,
    len: usize,
    bytes: usize,
    _shared: PhantomData<T>,
}

// SAFETY: the elements are atomics (rule 2); the mapping is not tied to a thread.
unsafe impl<T: Sync> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapped<T> {}

impl<T> Mapped<T> {
    /// Maps the first `len` elements of an array map made with `BPF_F_MMAPABLE`, whose values are
    /// `T`s: both sides' layout checks (`abi`) say that they are.
    pub(crate) fn new(map: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        // The kernel rounds each value up to 8 bytes.
        const { assert!(size_of::<T>().is_multiple_of(8)) };
        let page = page_bytes();
        let bytes = (len * size_of::<T>()).next_multiple_of(page);
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("a mapping is not at 0");
        Ok(Self { base, len, bytes, _shared: PhantomData })
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element, if there are that many.
    pub fn get(&self, index: usize) -> Option<&T> {
        // SAFETY: within the mapping, which lives as long as `self`.
        (index < self.len).then(|| unsafe { self.base.add(index).as_ref() })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|index| self.get(index))
    }
}

impl<T> Index<usize> for Mapped<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index).expect("the index is below the table's length")
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`, to which no reference is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// The size of a page.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: no pointers.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
