//! On any machine, without privilege.

use std::path::Path;

use crate::program::run;

/// Commands that need the kernel backend.
const COMMANDS: [&str; 8] = [
    "enclave create",
    "enclave ls",
    "enclave destroy web",
    "run -- true",
    "move --back 1",
    "top --once",
    "trace -o -",
    "upgrade web",
];

/// Whether the kernel backend may work here, so that commands would do what they are told.
fn may_have_enclaves() -> bool {
    cfg!(feature = "kernel") && Path::new("/sys/kernel/sched_ext").exists()
}

#[test]
fn doctor_tells_of_every_backend() {
    let said = run("doctor").ended(0);
    for part in ["sim      works", "threads  works", "kernel   "] {
        assert!(said.out.contains(part), "{said:#?}");
    }
    let json = run("doctor --json").ended(0).json();
    let backends = json["backends"].as_array().unwrap();
    let names: Vec<_> = backends.iter().map(|one| one["backend"].as_str().unwrap()).collect();
    assert_eq!(names, ["sim", "threads", "kernel"]);
    for backend in backends {
        let obstacles = backend["obstacles"].as_array().unwrap();
        assert_eq!(backend["works"], obstacles.is_empty(), "{backend}");
    }
}

#[test]
fn doctor_answers_for_one_backend_with_its_exit_code() {
    run("doctor --backend sim").ended(0);
    let works = run("doctor --json").json()["backends"][2]["works"].as_bool().unwrap();
    run("doctor --backend kernel").ended(if works { 0 } else { 2 });
}

#[test]
fn commands_without_a_kernel_backend_say_so_in_a_line() {
    if may_have_enclaves() {
        return;
    }
    let cause = if cfg!(feature = "kernel") { "has no sched_ext" } else { "--features kernel" };
    for line in COMMANDS {
        run(line).refused(&[cause]);
        run(&format!("--json {line}")).refused(&[cause]);
    }
}

#[test]
fn bad_input_is_one_line() {
    run("enclave create --policy cfs").refused(&["cfs", "two-queue"]);
    run("move 17").refused(&["--enclave"]);
    run("trace --seconds 1").refused(&["--output"]);
    run("tpo").refused(&["tpo"]);
}

#[test]
fn help_teaches() {
    let lines = [
        "",
        "doctor",
        "enclave",
        "enclave create",
        "enclave ls",
        "enclave destroy",
        "run",
        "move",
        "top",
        "trace",
        "upgrade",
    ];
    for line in lines {
        let said = run(&format!("{line} --help")).ended(0);
        assert!(said.err.is_empty() && said.out.contains("Usage: revenant"), "{said:#?}");
        let has_examples = said.out.contains("Examples:");
        assert!(has_examples || line.starts_with("enclave"), "no examples: {said:#?}");
        assert!(said.out.lines().all(|line| line.len() <= 100), "too wide: {}", said.out);
    }
    let said = run("--help").ended(0);
    assert!(!said.out.contains("keep") && said.out.contains("Exit codes"), "{said:#?}");
}
