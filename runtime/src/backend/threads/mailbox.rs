//! The mailbox of a worker CPU: one command at a time, written by the dispatcher alone.
//!
//! # Rules of this memory
//! A command is a task and the epoch that makes it new. The dispatcher writes the task, then the
//! epoch (release); whoever takes the command reads the epoch (acquire), then the task. The
//! dispatcher writes the next command only when the last one's epoch shows as taken in the CPU's
//! [`Ownership`](super::ownership::Ownership) word, so a taker never reads a task half replaced.

use super::doorbell::Doorbell;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::task::TaskId;

/// What the dispatcher wants of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Run this task; if another runs, it is preempted.
    Run(TaskId),
    /// Preempt what runs and wait for the next command.
    Vacate,
    /// Let the CPU's threads end.
    Stop,
}

const VACATE: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// A command with its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) epoch: u32,
    pub(super) command: Command,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    epoch: AtomicU32,
    command: AtomicU64,
    /// The CPU's owner sleeps by it when it has no task.
    pub(super) bell: Doorbell,
}

impl Mailbox {
    /// Posts the command that follows `last_epoch`, waking the owner if it sleeps.
    pub(super) fn post(&self, last_epoch: u32, command: Command) -> u32 {
        let bits = match command {
            Command::Run(task) => task.to_bits(),
            Command::Vacate => VACATE,
            Command::Stop => STOP,
        };
        let epoch = last_epoch.wrapping_add(1);
        self.command.store(bits, Ordering::Relaxed);
        // Release pairs with the acquire in `read`.
        self.epoch.store(epoch, Ordering::Release);
        self.bell.ring();
        epoch
    }

    /// The command after `taken_epoch`, if there is one.
    pub(super) fn read(&self, taken_epoch: u32) -> Option<Mail> {
        // Pairs with the store in `post`.
        let epoch = self.epoch.load(Ordering::Acquire);
        (epoch != taken_epoch).then(|| {
            let command = match self.command.load(Ordering::Relaxed) {
                VACATE => Command::Vacate,
                STOP => Command::Stop,
                bits => Command::Run(TaskId::from_bits(bits)),
            };
            Mail { epoch, command }
        })
    }

    /// Declares the owner asleep unless a command is waiting; `true`: it may now sleep.
    pub(super) fn fall_asleep(&self, taken_epoch: u32) -> bool {
        self.bell.lie_down();
        if self.epoch.load(Ordering::Relaxed) != taken_epoch {
            self.bell.get_up();
            return false;
        }
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_until_it_is_taken() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.read(0), None);
        for (last, command) in
            [Command::Run(TaskId { index: 5, generation: 6 }), Command::Vacate, Command::Stop]
                .into_iter()
                .enumerate()
        {
            let epoch = mailbox.post(last as u32, command);
            assert_eq!(mailbox.read(last as u32), Some(Mail { epoch, command }));
            assert_eq!(mailbox.read(epoch), None);
        }
    }

    #[test]
    fn an_owner_with_mail_does_not_fall_asleep() {
        let mailbox = Mailbox::default();
        assert!(mailbox.fall_asleep(0));
        let epoch = mailbox.post(0, Command::Vacate);
        assert!(!mailbox.bell.is_asleep());
        assert!(!mailbox.fall_asleep(0));
        assert!(mailbox.fall_asleep(epoch));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::{sync::Arc, thread};

    #[test]
    fn a_command_is_seen_whole_or_the_sleeper_is_woken() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::default());
            let task = TaskId { index: 1, generation: 2 };
            let other = Arc::clone(&mailbox);
            let thread = thread::spawn(move || {
                other.post(0, Command::Run(task));
            });
            let slept = mailbox.read(0).is_none() && mailbox.fall_asleep(0);
            thread.join().unwrap();
            assert_eq!(mailbox.read(0).unwrap().command, Command::Run(task));
            assert!(!slept || !mailbox.bell.is_asleep(), "asleep with mail and nobody to wake it");
        });
    }
}
