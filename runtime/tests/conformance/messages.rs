//! Messages and status words.

use revenant::message::MessageKind;
use revenant::task::TaskState;
use revenant::transaction::Outcome;

use crate::world::{ROOMY, SPIN, Step, World, kinds_of};

const WORDY: &[Step] = &[Step::Spin, Step::Yield, Step::Block, Step::Spin];

pub(crate) fn the_first_message_is_task_new_and_the_last_task_dead<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let task = world.spawn_on(cpu);
    world.tell(task);
    let kinds = kinds_of(&world.messages(), task);
    assert_eq!(kinds, [MessageKind::TaskNew, MessageKind::TaskOnCpu, MessageKind::TaskDead]);
    assert!(world.status(task).is_none_or(|status| status.state == TaskState::Dead));
}

pub(crate) fn sequence_numbers_have_no_gaps<W: World>() {
    use MessageKind as Kind;
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let task = world.spawn(WORDY);
    let mut messages = world.messages();
    for _ in 0..3 {
        world.give_cpu(task, cpu);
        // Ends the first spin; later the block; then the last spin.
        world.tell(task);
        messages.extend(world.messages());
    }
    world.tell(task);
    messages.extend(world.messages());
    let kinds = [
        Kind::TaskNew,
        Kind::TaskOnCpu,
        Kind::TaskYield,
        Kind::TaskOnCpu,
        Kind::TaskBlocked,
        Kind::TaskWakeup,
        Kind::TaskOnCpu,
        Kind::TaskDead,
    ];
    assert_eq!(kinds_of(&messages, task), kinds);
    let seqs: Vec<_> = messages.iter().filter(|m| m.task == task).map(|m| m.seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].next()), "{seqs:?}");
}

pub(crate) fn a_status_word_has_the_number_of_the_last_message<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let task = world.spawn_on(cpu);
    let last = *world.messages().last().expect("it was heard of");
    let status = world.status(task).expect("it runs");
    assert_eq!((last.task, last.seq), (task, status.seq));
    assert_eq!((status.state, status.cpu), (TaskState::OnCpu, cpu));
}

pub(crate) fn a_status_word_is_published_before_its_message<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let task = world.spawn_on(cpu);
    let other = world.spawn(SPIN);
    world.settle();
    let transaction = world.open(other, cpu);
    assert_eq!(world.commit(transaction), Outcome::Committed);
    while let Some(message) = world.next_message() {
        let status = world.status(message.task).expect("nobody died");
        assert!(!message.seq.is_after(status.seq), "{message:?} is ahead of {status:?}");
    }
    assert_eq!(world.status(task).map(|status| status.state), Some(TaskState::Queued));
}

pub(crate) fn without_transactions_nothing_starts<W: World>() {
    let mut world = W::new(2, ROOMY);
    let tasks = [world.spawn(SPIN), world.spawn(SPIN), world.spawn(SPIN)];
    let messages = world.messages();
    for task in tasks {
        assert_eq!(kinds_of(&messages, task), [MessageKind::TaskNew]);
        assert_eq!(world.status(task).map(|status| status.state), Some(TaskState::Queued));
    }
}

pub(crate) fn a_stint_is_counted_in_the_runtime<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let task = world.spawn_on(cpu);
    world.settle();
    world.tell(task);
    let messages = world.messages();
    let of = |kind| {
        let found = messages.iter().find(|message| message.kind == kind);
        *found.unwrap_or_else(|| panic!("no {kind:?} in {messages:?}"))
    };
    let (began, ended) = (of(MessageKind::TaskOnCpu), of(MessageKind::TaskDead));
    assert!(ended.runtime_ns > 0, "it ran");
    assert_eq!(ended.runtime_ns, ended.time_ns - began.time_ns, "{messages:?}");
}
