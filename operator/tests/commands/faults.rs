//! What crashes leave, and what becomes of it: in a guest.

use std::fs;

use crate::machine::{
    EXT, FAIR, burning, classes, created, destroyed, enclaves, goes_on, guest, is_clean,
    is_unloaded, log, process_of, signal, wait_until,
};
use crate::program::run;

#[test]
fn threads_outlive_their_agent_and_get_another() {
    let _guest = guest();
    created("--name web --cpus 1-3 --orphan-limit 0");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    signal(process_of("agent"), libc::SIGKILL);
    wait_until("the enclave is orphaned", || enclaves()[0]["state"] == "orphan");
    assert_eq!(classes(burning.pid()), [EXT]);
    goes_on(burning.pid());
    run("upgrade web").ended(0);
    assert_eq!(enclaves()[0]["state"], "attached");
    goes_on(burning.pid());
    destroyed("web");
}

#[test]
fn an_enclave_without_an_agent_ends_in_time_and_says_why() {
    let _guest = guest();
    created("--name web --cpus 1-3 --orphan-limit 1s");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    signal(process_of("agent"), libc::SIGKILL);
    // The keeper does all there is to do.
    is_clean();
    assert_eq!(classes(burning.pid()), [FAIR]);
    goes_on(burning.pid());
    assert!(log("web").contains("without an agent for 1.0 s"), "{}", log("web"));
    run("upgrade web").refused(&["`web` was destroyed", "without an agent for 1.0 s"]);
}

#[test]
fn an_agent_that_hangs_is_no_agent() {
    let _guest = guest();
    created("--name web --cpus 1-3 --silence-limit 200ms --orphan-limit 1s");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    signal(process_of("agent"), libc::SIGSTOP);
    is_clean();
    assert_eq!(classes(burning.pid()), [FAIR]);
    assert!(log("web").contains("took no turn"), "{}", log("web"));
}

#[test]
fn the_next_command_cleans_what_a_crash_has_left() {
    let _guest = guest();
    created("--name web --cpus 1-3 --orphan-limit 300ms");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    let agent = process_of("agent");
    signal(process_of("keeper"), libc::SIGKILL);
    signal(agent, libc::SIGKILL);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(classes(burning.pid()), [EXT], "nobody has asked the threads to leave");
    let said = run("enclave ls").ended(0);
    for part in ["cleaned up enclave `web`", "without an agent", "fair class"] {
        assert!(said.err.contains(part), "{said:#?}");
    }
    assert_eq!(classes(burning.pid()), [FAIR]);
    is_clean();
}

#[test]
fn the_next_command_replaces_a_keeper() {
    let _guest = guest();
    created("--name web --cpus 1-3 --orphan-limit 500ms");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    signal(process_of("keeper"), libc::SIGKILL);
    wait_until("the keeper has ended", || run("enclave ls").ended(0).err.contains("another"));
    signal(process_of("agent"), libc::SIGKILL);
    is_clean();
    assert_eq!(classes(burning.pid()), [FAIR]);
}

#[test]
fn a_successor_that_cannot_begin_leaves_the_agent_serving() {
    let _guest = guest();
    created("--name web --cpus 1-3");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    let agent = process_of("agent");
    // It hangs for longer than a successor waits, but not for as long as it may.
    signal(agent, libc::SIGSTOP);
    let said = run("upgrade web --policy fifo").ended(1);
    assert!(said.err.contains(&format!("agent {agent} keeps serving")), "{said:#?}");
    signal(agent, libc::SIGCONT);
    let web = &enclaves()[0];
    assert_eq!((&web["agent"]["pid"], &web["policy"]), (&agent.into(), &"two-queue".into()));
    goes_on(burning.pid());
    destroyed("web");
}

#[test]
fn a_scheduler_that_the_kernel_ended_is_no_obstacle() {
    let _guest = guest();
    created("--name web --cpus 1-3");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    // The kernel's own way to be rid of a scheduler.
    fs::write("/proc/sysrq-trigger", "S").unwrap();
    wait_until("the kernel has ended it", || {
        fs::read_to_string("/sys/kernel/sched_ext/state").unwrap().trim() == "disabled"
    });
    assert!(!is_unloaded(), "its pins are still there");
    let said = run("enclave create --name web --cpus 1-3").ended(0);
    assert!(said.err.contains("has ended"), "{said:#?}");
    assert!(log("web").is_empty() || !log("web").contains("error"), "{}", log("web"));
    destroyed("web");
    goes_on(burning.pid());
}
