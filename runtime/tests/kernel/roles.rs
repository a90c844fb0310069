//! Other processes of a test: this program again, told by its environment what to be.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use revenant::agent::Agent;
use revenant::backend::kernel::Kernel;
use revenant::enclave::Enclave;
use revenant::policy::Fifo;
use revenant_bpf::{Scheduler, abi};

use crate::guest::{now_ns, stay_on_the_first_cpu};

const ROLE: &str = "REVENANT_TEST_ROLE";

/// Starts a process that plays `role`.
pub(crate) fn start(role: &str) -> Child {
    let program = std::env::current_exe().expect("/proc is mounted");
    let mut command = Command::new(program);
    command.args(["--exact", "roles::a_process_plays_its_role", "--nocapture"]);
    command.env(ROLE, role).stdout(Stdio::null());
    command.spawn().expect("this program starts")
}

/// Starts a process that plays `role`, and waits for its end.
pub(crate) fn play(role: &str) -> ExitStatus {
    start(role).wait().expect("it is a child")
}

/// Does nothing in the process that runs the tests.
#[test]
fn a_process_plays_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match role.split_once(' ') {
        Some(("agent", enclave)) => serve(enclave.parse().expect("a number")),
        _ if role == "loader" => revenant_bpf::load().expect("the scheduler loads"),
        _ if role == "second loader" => {
            let refused = revenant_bpf::load().expect_err("another one is active");
            assert!(refused.to_string().contains("`revenant`"), "{refused}");
        }
        _ if role == "nobody" => load_as_nobody(),
        _ => panic!("no role is called {role}"),
    }
}

/// An agent that serves until it is killed.
fn serve(enclave: u32) {
    stay_on_the_first_cpu();
    let scheduler = Arc::new(Scheduler::open().expect("it is loaded"));
    scheduler.attach_agent(enclave, None).expect("the enclave has no agent");
    let mut kernel = Kernel::open(Arc::clone(&scheduler), enclave, 0, 1024).expect("a ring");
    kernel.begin();
    let image = Enclave::new(revenant::backend::Backend::topology(&kernel).clone(), abi::TASKS_MAX);
    let mut agent = Agent::new(Fifo::default(), image);
    agent.rescan(now_ns(), &mut kernel);
    loop {
        scheduler.enclaves()[enclave as usize].heartbeat_ns.store(now_ns(), Ordering::Relaxed);
        agent.turn(now_ns(), &mut kernel);
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn load_as_nobody() {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::setuid(65_534) }, 0);
    let refused = revenant_bpf::load().expect_err("it is not root");
    assert!(refused.to_string().contains("sudo"), "{refused}");
}
