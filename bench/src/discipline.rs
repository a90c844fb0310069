//! How the kernel is asked to schedule a thread.

use std::io;

/// A scheduling class of the kernel with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// SCHED_OTHER with the system's slice.
    Fair,
    /// SCHED_OTHER with a slice of its own, from Linux 6.12 on.
    FairSlice {
        /// Time a thread runs before another of equal claim does.
        slice_ns: u64,
    },
    /// SCHED_OTHER with less (above 0) or more weight.
    FairNice {
        /// -20 to 19.
        nice: i32,
    },
    /// SCHED_RR at the lowest real-time priority: above all of SCHED_OTHER.
    RoundRobin,
    /// SCHED_IDLE: only what nobody else wants.
    Idle,
    /// A member of this enclave of the kernel backend: its agent decides.
    #[cfg(feature = "kernel")]
    Member {
        /// Its number.
        enclave: u32,
    },
}

impl Discipline {
    /// Has the kernel schedule the calling thread so.
    ///
    /// # Errors
    /// `PermissionDenied` where it takes a privilege.
    pub fn adopt(self) -> io::Result<()> {
        #[cfg(feature = "kernel")]
        if let Self::Member { enclave } = self {
            return join(enclave);
        }
        let attributes = self.attributes();
        // SAFETY: the kernel reads `size` bytes at the pointer, all of which are initialised; thread
        // 0 is the caller.
        let result =
            unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, NO_FLAGS) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn attributes(self) -> Attributes {
        let (sched_policy, sched_nice, sched_priority, sched_runtime) = match self {
            Self::Fair => (libc::SCHED_OTHER, 0, 0, 0),
            Self::FairSlice { slice_ns } => (libc::SCHED_OTHER, 0, 0, slice_ns),
            Self::FairNice { nice } => (libc::SCHED_OTHER, nice, 0, 0),
            Self::RoundRobin => (libc::SCHED_RR, 0, 1, 0),
            Self::Idle => (libc::SCHED_IDLE, 0, 0, 0),
            #[cfg(feature = "kernel")]
            Self::Member { .. } => unreachable!("members are not made by this call"),
        };
        Attributes {
            size: size_of::<Attributes>() as u32,
            sched_policy: sched_policy as u32,
            sched_nice,
            sched_priority,
            sched_runtime,
            ..Attributes::default()
        }
    }
}

/// Makes the calling thread a member.
#[cfg(feature = "kernel")]
fn join(enclave: u32) -> io::Result<()> {
    use std::sync::{Mutex, PoisonError};

    /// A handle takes twenty file descriptors; a crew at once would have too many.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let scheduler = revenant_bpf::Scheduler::open().map_err(io::Error::other)?;
    // SAFETY: no pointers.
    let tid = unsafe { libc::gettid() } as u32;
    let joined = revenant::backend::kernel::members::join(&scheduler, enclave, tid);
    joined.map(drop).map_err(io::Error::other)
}

/// The slice the kernel gives the calling thread, where it tells: from Linux 6.12 on. Older kernels
/// accept a slice in silence and answer 0.
///
/// # Errors
/// When the kernel does not know the call.
pub fn slice_ns() -> io::Result<u64> {
    let mut attributes = Attributes::default();
    let size = size_of::<Attributes>();
    // SAFETY: the kernel writes at most `size` bytes at the pointer; any bit pattern is valid there.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, NO_FLAGS) };
    if result == 0 { Ok(attributes.sched_runtime) } else { Err(io::Error::last_os_error()) }
}

/// Neither call has flags yet.
const NO_FLAGS: libc::c_uint = 0;

/// `struct sched_attr` in its first published size, which every kernel takes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    size: u32,
    sched_policy: u32,
    sched_flags: u64,
    sched_nice: i32,
    sched_priority: u32,
    sched_runtime: u64,
    sched_deadline: u64,
    sched_period: u64,
}

const _: () = assert!(size_of::<Attributes>() == 48, "SCHED_ATTR_SIZE_VER0");

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> i32 {
        // SAFETY: asks about the calling thread and touches nothing.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn unprivileged_disciplines_are_adopted() {
        // A thread of its own: the way back from SCHED_IDLE takes a privilege.
        std::thread::spawn(|| {
            Discipline::FairNice { nice: 19 }.adopt().unwrap();
            // SAFETY: asks about the calling thread and touches nothing.
            assert_eq!(unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }, 19);
            Discipline::Idle.adopt().unwrap();
            assert_eq!(policy(), libc::SCHED_IDLE);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_slice_is_kept_or_the_kernel_tells_of_none() {
        let asked_ns = 100_000;
        let told_ns = std::thread::spawn(move || {
            Discipline::FairSlice { slice_ns: asked_ns }.adopt().unwrap();
            slice_ns().unwrap()
        });
        assert!([0, asked_ns].contains(&told_ns.join().unwrap()));
    }
}
