//! Status words: read while they change, given out again, and scarce.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use revenant::backend::kernel::members::{self, JoinError};
use revenant::message::MessageKind;
use revenant::task::TaskState;
use revenant_bpf::abi::{self, StatusWords};

use crate::guest::{undisturbed, wait_for};
use crate::stage::{Over, Performer, Stage};

/// Reads a word until it is told to end; every contents it saw, by number.
fn hammer(
    stage: &Stage,
    slot: u32,
    is_over: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<Vec<StatusWords>> {
    let (scheduler, is_over) = (stage.scheduler(), Arc::clone(is_over));
    std::thread::spawn(move || {
        // Not on a CPU of the enclave, where it would be of a higher class.
        crate::guest::bind(0, [3]).expect("it is online");
        let mut seen: Vec<StatusWords> = Vec::new();
        while !is_over.load(Ordering::SeqCst) {
            let words = scheduler.status_words()[slot as usize].read();
            if let Some(words) = words.filter(|words| seen.last() != Some(words)) {
                seen.push(words);
            }
            std::hint::spin_loop();
        }
        seen
    })
}

#[test]
fn a_reader_never_sees_half_of_a_change() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (first, _one) = stage.spinner();
        let (second, _two) = stage.spinner();
        let is_over = Arc::new(AtomicBool::new(false));
        // Ends the reader if this test fails, too: it would keep CPU 3 from all that follow.
        let _ends = Over(Arc::clone(&is_over));
        let reader = hammer(&stage, first.index, &is_over);
        // They take the CPU from each other; whether a higher class joins in is all the same.
        wait_for("two hundred changes", || {
            for task in [first, second] {
                let transaction = stage.open(task, 1);
                let _whatever_comes_of_it = stage.commit(transaction);
            }
            (stage.kinds_of(first).len() >= 200).then_some(())
        });
        is_over.store(true, Ordering::SeqCst);
        let seen = reader.join().expect("it only read");

        // Each message says what the word of the same number said.
        stage.drain();
        let own = stage.said.iter().filter(|message| message.task == first);
        let said: HashMap<u32, _> = own.map(|message| (message.seq.0, *message)).collect();
        for words in &seen {
            let (seq, state) = (words.seq_state_cpu as u32, (words.seq_state_cpu >> 32) as u8);
            let message = said[&seq];
            let expected = match message.kind {
                MessageKind::TaskOnCpu => TaskState::OnCpu,
                _ => TaskState::Queued,
            };
            assert_eq!((words.task, words.runtime_ns), (first.to_bits(), message.runtime_ns));
            assert_eq!(TaskState::from_bits(state), expected, "{words:?} {message:?}");
            let is_start = message.kind == MessageKind::TaskOnCpu;
            assert!(!is_start || words.since_ns == message.time_ns, "{words:?} {message:?}");
        }
        assert!(seen.len() > 20, "it saw {} contents", seen.len());
    });
}

#[test]
fn a_word_that_was_given_out_again_is_not_the_old_tasks() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let first = stage.member();
        let mut latest = first;
        // Slots are used in the order they became free.
        let heir = wait_for("the slot is used again", || {
            let performer = stage.take(latest);
            members::to_fair(performer.tid).expect("it is alive");
            latest = stage.joined(performer);
            (latest.index == first.index).then_some(latest)
        });
        assert!(heir.is_heir_of(first));
        assert_eq!(stage.status(first), None);
        assert!(stage.status(heir).is_some());
    });
}

/// Lets no status word be given out that never was before.
struct Scarcity<'a>(&'a abi::Machine);

impl<'a> Scarcity<'a> {
    fn begin(machine: &'a abi::Machine) -> Self {
        let used = machine.slots_used.load(Ordering::SeqCst);
        machine.slots_max.store(used, Ordering::SeqCst);
        Self(machine)
    }
}

impl Drop for Scarcity<'_> {
    fn drop(&mut self) {
        self.0.slots_max.store(abi::TASKS_MAX as u64, Ordering::SeqCst);
    }
}

#[test]
fn without_a_free_word_the_newcomer_is_refused_and_nobody_else_notices() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (runs, spin) = stage.spinner_on(1);
        let forks = stage.member();
        let scheduler = stage.scheduler();
        let machine = scheduler.machine();
        let refused_before = machine.tasks_refused.load(Ordering::SeqCst);
        let _scarce = Scarcity::begin(machine);

        let refused = loop {
            let performer = Performer::start();
            match members::join(&scheduler, stage.enclave(), performer.tid) {
                Ok(_) => stage.adopt(performer),
                Err(error) => {
                    performer.dismiss().expect("it was left alone");
                    break error;
                }
            }
        };
        assert!(matches!(refused, JoinError::Full { .. }), "{refused}");

        let forked = Arc::new(AtomicI32::new(0));
        let tells = Arc::clone(&forked);
        stage.order(forks, move || {
            // SAFETY: the child, if there is one, calls nothing but `_exit`.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: as above.
                unsafe { libc::_exit(0) };
            }
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
            tells.store(if pid < 0 { errno } else { -pid }, Ordering::SeqCst);
        });
        stage.await_state(forks, TaskState::Queued);
        stage.run_on_or_past(forks, 1);
        let errno = wait_for("fork returns", || match forked.load(Ordering::SeqCst) {
            0 => None,
            told => Some(told),
        });
        assert_eq!(errno, libc::EAGAIN);
        assert!(machine.tasks_refused.load(Ordering::SeqCst) >= refused_before + 2);
        stage.await_state(forks, TaskState::Blocked);
        stage.run_on(runs, 1);
        spin.wait_for_progress();
    });
}
