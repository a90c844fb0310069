//! What the system refuses the server, and what it does then.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::fixture::{Client, Server, program, wait_until};

/// The server's program in a sandbox that forbids io_uring, as those of containers do.
fn program_without_io_uring() -> Command {
    let mut command = program();
    // SAFETY: between fork and exec only two system calls are made, on memory of the closure's own.
    unsafe { command.pre_exec(forbid_io_uring) };
    command
}

fn forbid_io_uring() -> std::io::Result<()> {
    let step = |code: u32, value: u32, (jt, jf): (u8, u8)| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k: value,
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut steps = [
        // The system call's number is the first word of what a filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, (0, 0)),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_io_uring_setup as u32, (0, 1)),
        step(libc::BPF_RET | libc::BPF_K, refused, (0, 0)),
        step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, (0, 0)),
    ];
    let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the filter and its steps are valid during the calls, which copy them.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter)
                != 0
    };
    if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

#[test]
fn without_io_uring_sockets_go_through_epoll() {
    let server = Server::start_from(program_without_io_uring(), "auto", &[]);
    let mut client = server.client();
    client.ask("SET a 1\r\nSPIN 10\r\nGET a\r\n", "+OK\r\n+OK\r\n$1\r\n1\r\n");
    assert!(server.descriptors().iter().any(|name| name.contains("eventpoll")));
    assert!(!server.descriptors().iter().any(|name| name.contains("io_uring")));
}

#[test]
fn io_uring_that_is_asked_for_and_refused_is_an_error_with_a_cure() {
    let output = program_without_io_uring()
        .args(["--listen", "127.0.0.1:0", "--io", "uring"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("io_uring") && told.contains("--io auto"), "{told}");
}

crate::on_both!(a_burst_beyond_the_descriptors_is_answered_bit_by_bit);

/// Descriptors of the server in the test: few, and more than it needs for itself.
const DESCRIPTORS: u64 = 320;

fn a_burst_beyond_the_descriptors_is_answered_bit_by_bit(io: &str) {
    let mut command = program();
    let few = || {
        let limit = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
        Ok(setrlimit(Resource::Nofile, limit)?)
    };
    // SAFETY: between fork and exec only one system call is made.
    unsafe { command.pre_exec(few) };
    let server = Server::start_from(command, io, &[]);
    server.pause();
    let mut burst: Vec<Client> = (0..DESCRIPTORS + 80).map(|_| server.client()).collect();
    burst.iter_mut().for_each(|client| client.send("PING\r\nQUIT\r\n"));
    server.resume();
    let served = burst.iter_mut().map(Client::rest).filter(|reply| {
        let is_refusal = reply == "-ERR max number of clients reached\r\n";
        assert!(is_refusal || reply == "+PONG\r\n+OK\r\n", "{reply:?}");
        !is_refusal
    });
    assert!(served.count() > 0);
    // Over epoll a turn takes in a few, and those too many are gone before the next.
    assert!(io == "epoll" || server.metric("accept_failures_total") > 0.0, "it never ran out");
    wait_until("all are gone", || server.metric("clients") == 0.0);
    server.client().ask("PING\r\n", "+PONG\r\n");
}
