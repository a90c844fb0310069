//! Calls of the kernel half: running one of its pinned programs with arguments.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// The kernel's `union bpf_attr` for `BPF_PROG_TEST_RUN`, up to the last field used here.
#[derive(Debug, Default)]
#[repr(C)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
}

/// `BPF_PROG_TEST_RUN`, from the kernel's `include/uapi/linux/bpf.h`.
const BPF_PROG_TEST_RUN: libc::c_long = 10;

/// A program of type "syscall".
#[derive(Debug)]
pub(crate) struct Program {
    fd: OwnedFd,
}

impl Program {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Runs the program. What it changed in `arguments` is there afterwards.
    ///
    /// `T` must be the structure its declaration in C names.
    pub(crate) fn run<T>(&self, arguments: &mut T) -> io::Result<()> {
        let attributes = TestRun {
            prog_fd: self.fd.as_raw_fd() as u32,
            ctx_size_in: size_of::<T>() as u32,
            ctx_in: std::ptr::from_mut(arguments) as u64,
            ..TestRun::default()
        };
        // SAFETY: both structures outlive the call, which reads and writes no more than their sizes.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_PROG_TEST_RUN,
                &raw const attributes,
                size_of::<TestRun>(),
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// The result field of a call's arguments as a value.
pub(crate) fn checked(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}
