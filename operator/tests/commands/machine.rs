//! The machine under test, a guest: what tests do to it and look for on it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{self, Said, run};

/// The kernel's numbers of scheduling classes.
pub(crate) const FAIR: u32 = 0;
pub(crate) const EXT: u32 = 7;
/// Emulated machines are slow, and may be stopped for seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A guest, where a test may do as it likes. What it leaves when it fails is not the next one's.
pub(crate) struct Guest;

/// The guest this test runs in.
#[track_caller]
pub(crate) fn guest() -> Guest {
    let is_there = std::env::var_os("REVENANT_VM").is_some();
    assert!(is_there, "needs a guest, and root in it: run vm/test operator");
    Guest
}

impl Drop for Guest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = run("enclave destroy --all");
            println!("{said:#?}\n{}", log("web"));
        }
    }
}

/// What keeper and agents of an enclave have said.
pub(crate) fn log(name: &str) -> String {
    fs::read_to_string(format!("/run/revenant/{name}.log")).unwrap_or_default()
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process, killed when dropped.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

pub(crate) fn started(line: &str) -> Killed {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = program::command(&words);
    Killed(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// A process of four threads that use CPU time until it is killed: [`burner`], below.
pub(crate) fn burning() -> Killed {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "machine::burner"]);
    let child = Killed(command.stdout(Stdio::null()).spawn().unwrap());
    // The harness has one of its own, which waits.
    wait_until("the threads burn", || threads(child.pid()).len() == 5);
    child
}

#[test]
#[ignore = "a process that other tests start, and that does not end"]
fn burner() {
    for _ in 0..3 {
        std::thread::spawn(|| {
            loop {
                std::hint::spin_loop()
            }
        });
    }
    loop {
        std::hint::spin_loop();
    }
}

pub(crate) fn threads(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Fields of a thread's `stat`, counted from the one after its name.
pub(crate) fn stat(tid: u32, field: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{tid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(field)?.parse().ok()
}

/// The classes that the threads of a process are in.
pub(crate) fn classes(pid: u32) -> Vec<u32> {
    let mut classes: Vec<u32> = threads(pid)
        .into_iter()
        .filter_map(|tid| stat(tid, 38))
        .map(|class| class as u32)
        .collect();
    classes.dedup();
    classes
}

/// Processes that a process has started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.filter(|child| stat(*child, 1) == Some(pid.into())).collect()
}

/// CPU time of a process, in ticks.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    stat(pid, 11).unwrap_or(0) + stat(pid, 12).unwrap_or(0)
}

#[track_caller]
pub(crate) fn goes_on(pid: u32) {
    let before = cpu_ticks(pid);
    wait_until("the process runs", || cpu_ticks(pid) > before + 2);
}

pub(crate) fn signal(pid: u64, signal: i32) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0);
}

pub(crate) fn enclaves() -> Vec<Value> {
    run("enclave ls --json").ended(0).json()["enclaves"].as_array().unwrap().clone()
}

pub(crate) fn process_of(role: &str) -> u64 {
    let enclave = &enclaves()[0];
    let pid = if role == "agent" { &enclave["agent"]["pid"] } else { &enclave["keeper_pid"] };
    pid.as_u64().unwrap_or_else(|| panic!("no {role}: {enclave}"))
}

pub(crate) fn is_unloaded() -> bool {
    let state = fs::read_to_string("/sys/kernel/sched_ext/state").unwrap();
    state.trim() == "disabled" && !Path::new("/sys/fs/bpf/revenant").exists()
}

/// Nothing of ours is left: no scheduler, no pins, no processes, no instance of tracefs.
#[track_caller]
pub(crate) fn is_clean() {
    wait_until("the scheduler is unloaded", is_unloaded);
    wait_until("keepers and agents have ended", || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut names =
            processes.filter_map(|one| fs::read_to_string(one.path().join("comm")).ok());
        !names.any(|name| name.starts_with("revenant"))
    });
    let instances = fs::read_dir("/sys/kernel/tracing/instances").unwrap();
    assert_eq!(instances.count(), 0);
}

#[track_caller]
pub(crate) fn created(options: &str) -> Value {
    // A machine that is emulated beside a busy compiler may be stopped for seconds.
    let patient = if options.contains("--silence-limit") { "" } else { "--silence-limit 10s" };
    let said = run(&format!("enclave create --json {options} {patient}")).ended(0);
    said.json()["enclaves"][0].clone()
}

#[track_caller]
pub(crate) fn destroyed(name: &str) -> Said {
    let said = run(&format!("enclave destroy {name}")).ended(0);
    is_clean();
    said
}
