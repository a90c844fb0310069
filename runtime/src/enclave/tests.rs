use super::*;
use crate::task::Seq;

const TASK: TaskId = TaskId { index: 1, generation: 4 };

fn enclave() -> Enclave {
    Enclave::new(Topology::flat(2), 4)
}

fn message(kind: MessageKind, seq: u32) -> Message {
    Message { kind, task: TASK, seq: Seq(seq), cpu: CpuId(1), time_ns: 100, runtime_ns: 0 }
}

fn apply(enclave: &mut Enclave, kind: MessageKind, seq: u32) -> Applied {
    enclave.apply(&message(kind, seq), Hints::default())
}

#[test]
fn a_task_is_followed_through_its_life() {
    let mut enclave = enclave();
    assert_eq!(apply(&mut enclave, MessageKind::TaskNew, 1), Applied::Fresh);
    enclave.latch(&Transaction::new(TASK, Seq(1), CpuId(1)));
    assert_eq!(enclave.idle().to_string(), "0");
    assert_eq!(apply(&mut enclave, MessageKind::TaskOnCpu, 2), Applied::Fresh);
    assert_eq!(enclave.running().count(), 1);
    let task = enclave.task(TASK).unwrap();
    assert_eq!(enclave.attained_ns(task, 130), 30);

    let preempted = Message { runtime_ns: 40, ..message(MessageKind::TaskPreempted, 3) };
    assert_eq!(enclave.apply(&preempted, Hints::default()), Applied::Fresh);
    assert_eq!(enclave.idle().to_string(), "0-1");
    let task = enclave.queued(TASK).unwrap();
    assert_eq!((task.runtime_ns, task.preemptions, task.seq), (40, 1, Seq(3)));

    assert_eq!(apply(&mut enclave, MessageKind::TaskDead, 4), Applied::Fresh);
    assert!(enclave.task(TASK).is_none());
    assert_eq!(enclave.tasks_live(), 0);
}

#[test]
fn old_and_missing_messages_are_told_apart() {
    let mut enclave = enclave();
    assert_eq!(apply(&mut enclave, MessageKind::TaskOnCpu, 1), Applied::Unknown);
    assert_eq!(apply(&mut enclave, MessageKind::TaskNew, 1), Applied::Fresh);
    assert_eq!(apply(&mut enclave, MessageKind::TaskNew, 1), Applied::Old);
    assert_eq!(apply(&mut enclave, MessageKind::TaskBlocked, 3), Applied::Gap);
    assert_eq!(apply(&mut enclave, MessageKind::TaskWakeup, 2), Applied::Old);
}

#[test]
fn a_rescan_restores_the_image_and_makes_unread_messages_old() {
    let mut enclave = enclave();
    let _ = apply(&mut enclave, MessageKind::TaskNew, 1);
    enclave.forget();
    assert_eq!(enclave.tasks_live(), 0);
    let status =
        Status { seq: Seq(7), state: TaskState::OnCpu, cpu: CpuId(1), runtime_ns: 5, since_ns: 90 };
    enclave.discover(TASK, &status, Hints::default(), 100);
    assert_eq!(enclave.idle().to_string(), "0");
    assert_eq!(enclave.attained_ns(enclave.task(TASK).unwrap(), 100), 15);
    assert_eq!(apply(&mut enclave, MessageKind::TaskOnCpu, 7), Applied::Old);
    assert_eq!(apply(&mut enclave, MessageKind::TaskBlocked, 8), Applied::Fresh);
}

#[test]
fn a_cpu_taken_by_a_higher_class_is_not_idle() {
    let mut enclave = enclave();
    let busy = Message { kind: MessageKind::CpuBusy, cpu: CpuId(0), ..Message::default() };
    assert_eq!(enclave.apply(&busy, Hints::default()), Applied::Fresh);
    assert_eq!(enclave.idle().to_string(), "1");
    let available = Message { kind: MessageKind::CpuAvailable, ..busy };
    let _ = enclave.apply(&available, Hints::default());
    assert_eq!(enclave.idle().to_string(), "0-1");
}

#[test]
fn a_reused_place_is_a_new_task() {
    let mut enclave = enclave();
    let _ = apply(&mut enclave, MessageKind::TaskNew, 1);
    let heir = TaskId { generation: 5, ..TASK };
    let new = Message { task: heir, ..message(MessageKind::TaskNew, 1) };
    assert_eq!(enclave.apply(&new, Hints::default()), Applied::Fresh);
    assert!(enclave.task(TASK).is_none());
    assert!(enclave.task(heir).is_some());
    assert_eq!(enclave.tasks_live(), 1);
}

#[test]
fn the_unread_life_of_a_predecessor_does_not_unseat_a_task_found_by_rescan() {
    let mut enclave = enclave();
    let heir = TaskId { generation: 5, ..TASK };
    let status = Status { seq: Seq(1), state: TaskState::Queued, ..Status::default() };
    enclave.discover(heir, &status, Hints::default(), 100);
    assert_eq!(apply(&mut enclave, MessageKind::TaskNew, 1), Applied::Old);
    assert_eq!(apply(&mut enclave, MessageKind::TaskDead, 2), Applied::Unknown);
    assert!(enclave.queued(heir).is_some());
    assert_eq!(enclave.tasks_live(), 1);
}
