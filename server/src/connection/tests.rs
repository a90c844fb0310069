use super::*;

const ALLOWANCE: Allowance = Allowance {
    jobs_max: 2,
    frame_max: 1 << 20,
    output_max: 1 << 20,
    idle_ns: Some(1_000),
    frame_ns: 100,
    stall_ns: 500,
};

fn connection() -> Connection {
    Connection::new(Session::new(1, true), 0)
}

#[test]
fn resp_requests_begin_one_after_another_and_native_ones_together() {
    let mut resp = connection();
    resp.protocol(b'*');
    assert!(resp.may_begin(&ALLOWANCE));
    resp.jobs.push(0);
    assert!(!resp.may_begin(&ALLOWANCE));
    let mut native = connection();
    native.protocol(revenant_wire::native::MAGIC);
    native.jobs.push(0);
    assert!(native.may_begin(&ALLOWANCE));
    native.jobs.push(1);
    assert!(!native.may_begin(&ALLOWANCE));
}

#[test]
fn a_client_that_does_not_read_is_not_listened_to() {
    let mut connection = connection();
    connection.output.resize(OUTPUT_PAUSE_BYTES, 0);
    assert!(!connection.may_begin(&ALLOWANCE) && !connection.wants_input(&ALLOWANCE));
    assert_eq!(connection.ending(&ALLOWANCE), None);
    connection.output.resize(ALLOWANCE.output_max + 1, 0);
    assert_eq!(connection.ending(&ALLOWANCE), Some(Ending::OutputOverflow));
}

#[test]
fn a_half_closed_connection_answers_what_was_asked() {
    let mut connection = connection();
    connection.jobs.push(7);
    connection.end_input(0);
    assert!(!connection.wants_input(&ALLOWANCE));
    assert_eq!(connection.ending(&ALLOWANCE), None);
    connection.jobs.clear();
    connection.output.push(b'+');
    assert_eq!(connection.ending(&ALLOWANCE), None);
    connection.output.clear();
    assert_eq!(connection.ending(&ALLOWANCE), Some(Ending::ClientLeft));
}

#[test]
fn the_first_reason_to_end_stands() {
    let mut connection = connection();
    connection.finish(Ending::Quit);
    connection.finish(Ending::ProtocolError);
    connection.end_input(0);
    assert_eq!(connection.ending(&ALLOWANCE), Some(Ending::Quit));
    connection.cut(Ending::Broken);
    connection.cut(Ending::Idle);
    assert_eq!(connection.ending(&ALLOWANCE), Some(Ending::Broken));
}

#[test]
fn patience_ends_for_the_idle_the_slow_and_the_stalled() {
    let mut idle = connection();
    assert_eq!(idle.overdue(1_000, &ALLOWANCE), None);
    assert_eq!(idle.overdue(1_001, &ALLOWANCE), Some(Ending::Idle));
    idle.jobs.push(0);
    assert_eq!(idle.overdue(u64::MAX, &ALLOWANCE), None, "its request takes its time");

    let mut slow = connection();
    slow.note_frame(true, 10);
    slow.note_frame(true, 90);
    assert_eq!(slow.overdue(110, &ALLOWANCE), None);
    assert_eq!(slow.overdue(111, &ALLOWANCE), Some(Ending::SlowSender));
    slow.note_frame(false, 100);
    assert_eq!(slow.overdue(111, &ALLOWANCE), None);

    let mut stalled = connection();
    stalled.output.push(0);
    stalled.note_output(200);
    assert_eq!(stalled.overdue(700, &ALLOWANCE), None);
    assert_eq!(stalled.overdue(701, &ALLOWANCE), Some(Ending::SlowReader));
}

#[test]
fn an_inbox_gives_back_in_order_what_was_put_in() {
    let mut inbox = Inbox::default();
    let (mut put, mut taken) = (0_u8, 0_u8);
    for round in 0..200_usize {
        for _ in 0..round % 7 {
            inbox.append(&[put]);
            put = put.wrapping_add(1);
        }
        for _ in 0..(round % 5).min(inbox.len()) {
            assert_eq!(inbox.bytes()[0], taken);
            inbox.consume(1);
            taken = taken.wrapping_add(1);
        }
        inbox.tidy();
        assert_eq!(inbox.len(), usize::from(put.wrapping_sub(taken)));
    }
}

#[test]
fn what_a_client_that_may_have_gone_asked_for_is_given_up_in_the_end() {
    let mut connection = connection();
    connection.jobs.push(0);
    connection.end_input(5);
    assert_eq!(connection.overdue(5 + LINGER_NS, &ALLOWANCE), None);
    assert_eq!(connection.overdue(6 + LINGER_NS, &ALLOWANCE), Some(Ending::ClientLeft));
}
