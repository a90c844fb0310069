//! The dispatcher's doorbell: a futex, or the descriptor of an ingress that sleeps in its own way,
//! where the network can wake it too.

use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use super::doorbell::Doorbell;
use crate::ingress::Ingress;

#[derive(Debug, Default)]
pub(crate) struct DispatcherBell {
    bell: Doorbell,
    /// An eventfd. Set before the dispatcher's thread starts, so whoever sees it asleep sees this.
    descriptor: OnceLock<File>,
}

impl DispatcherBell {
    /// Rings through `descriptor` from now on. Once, before the dispatcher starts.
    pub(crate) fn wire(&self, descriptor: File) {
        self.descriptor.set(descriptor).expect("a runtime has one ingress");
    }

    /// Wakes the dispatcher if it sleeps. After publishing what it should see.
    pub(super) fn ring(&self) {
        let Some(mut descriptor) = self.descriptor.get() else { return self.bell.ring() };
        if self.bell.answer() {
            // It fails only if the count is full, and then the descriptor is readable already.
            let _is_readable = descriptor.write(&1_u64.to_ne_bytes());
        }
    }

    /// Sleeps for `time` at most, unless there is news.
    pub(super) fn sleep(
        &self,
        time: Duration,
        ingress: &mut impl Ingress,
        is_quiet: impl FnOnce() -> bool,
    ) {
        self.bell.lie_down();
        if !is_quiet() {
            self.bell.get_up();
        } else if self.descriptor.get().is_some() {
            ingress.sleep(time);
            self.bell.get_up();
        } else {
            self.bell.sleep(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::sync::Arc;

    use super::*;
    use crate::ingress::Admission;

    /// Sleeps until its bell is readable, however long that takes.
    struct Sleeper(OwnedFd);

    impl Ingress for Sleeper {
        fn poll(&mut self, _now_ns: u64, _admission: &Admission) {}

        fn next_ns(&self, _now_ns: u64) -> Option<u64> {
            Some(u64::MAX)
        }

        fn sleep(&mut self, _time: Duration) {
            let mut count = [0; 8];
            let mut bell = File::from(self.0.try_clone().unwrap());
            std::io::Read::read_exact(&mut bell, &mut count).unwrap();
        }
    }

    fn eventfd() -> OwnedFd {
        // SAFETY: the call takes no memory, and a descriptor it returns is nobody else's.
        unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) }
    }

    #[test]
    fn a_sleeping_ingress_is_woken_through_its_descriptor() {
        let (bell, mut sleeper) = (Arc::new(DispatcherBell::default()), Sleeper(eventfd()));
        bell.wire(sleeper.0.try_clone().unwrap().into());
        let ringer = Arc::clone(&bell);
        let (lies_down, lay_down) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            lay_down.recv().unwrap();
            ringer.ring();
        });
        bell.sleep(Duration::ZERO, &mut sleeper, || lies_down.send(()).is_ok());
        thread.join().unwrap();
    }

    #[test]
    fn nobody_sleeps_on_news() {
        let (bell, mut sleeper) = (DispatcherBell::default(), Sleeper(eventfd()));
        bell.wire(sleeper.0.try_clone().unwrap().into());
        bell.sleep(Duration::ZERO, &mut sleeper, || false);
        bell.ring();
        let mut set = libc::pollfd {
            fd: std::os::fd::AsRawFd::as_raw_fd(&sleeper.0),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: the set is one entry long and outlives the call.
        let ready = unsafe { libc::poll(&mut set, 1, 0) };
        assert_eq!(ready, 0, "a bell rung for somebody who is awake");
    }
}
