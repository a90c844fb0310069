//! An agent allocates nothing once it serves.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::policy::TwoQueue;

use crate::fleet::{Fleet, alone};

/// Counts allocations of the processes forked from this one, in memory they share.
struct Counting;

/// Where to count; null: nowhere. Points to a mapping that is never unmapped.
static COUNT: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());
static PARENT: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    let place = COUNT.load(Ordering::Relaxed);
    // SAFETY: no pointers.
    if !place.is_null() && unsafe { libc::getpid() } as u64 != PARENT.load(Ordering::Relaxed) {
        // SAFETY: a mapping that is never unmapped.
        unsafe { &*place }.fetch_add(1, Ordering::Relaxed);
    }
}

fn shared_counter() -> &'static AtomicU64 {
    // SAFETY: a new mapping of one page, zeroed, which is never unmapped.
    let place = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(place, libc::MAP_FAILED);
    PARENT.store(u64::from(std::process::id()), Ordering::Relaxed);
    COUNT.store(place.cast(), Ordering::Relaxed);
    // SAFETY: mapped above.
    unsafe { &*place.cast::<AtomicU64>() }
}

#[test]
fn an_agent_allocates_nothing_once_it_serves() {
    let _alone = alone();
    let counter = shared_counter();
    let fleet = Fleet::new("frugal", "1-3", 6);
    let agent = AgentProcess::start(&AgentOptions::new(fleet.enclave), TwoQueue::default())
        .expect("it serves");
    fleet.await_progress();
    let before = counter.load(Ordering::Relaxed);
    assert!(before > 0, "its tables are counted");
    let commits = || fleet.record().outcomes[0].load(Ordering::Relaxed);
    let committed = commits();
    fleet.await_that("500 commits", || commits() >= committed + 500);
    assert_eq!(counter.load(Ordering::Relaxed), before);
    drop(agent);
}
