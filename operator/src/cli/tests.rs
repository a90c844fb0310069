//! What the command line takes, and what it says to the rest.

use std::ffi::OsString;

use revenant::cpu::{CpuId, CpuSet};

use super::*;

fn read_line(line: &str) -> Result<Cli, (String, u8)> {
    read(line.split_whitespace().map(OsString::from))
}

fn only(cpu: u16) -> CpuSet {
    [CpuId(cpu)].into_iter().collect()
}

fn creation(line: &str) -> Creation {
    match read_line(line).unwrap().command {
        Command::Enclave(Enclave::Create(create)) => create.creation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_well_formed() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
}

#[test]
fn bad_input_is_one_line() {
    let lines = [
        ("revenant enclave create --cpus 3-1", "3-1"),
        ("revenant enclave create --cpus ,", "at least one CPU"),
        ("revenant enclave create --name a/b", "letters"),
        ("revenant enclave create --policy cfs", "two-queue"),
        ("revenant enclave create --watchdog 5", "unit"),
        ("revenant enclave create --quantum 0", "above 0"),
        ("revenant enclave create --agent some", "percpu"),
        ("revenant enclave destroy", "NAME"),
        ("revenant run --enclave web --cpus 1 -- true", "--cpus"),
        ("revenant run", "CMD"),
        ("revenant run --class x -- true", "batch"),
        ("revenant move 1", "--enclave"),
        ("revenant move --back --enclave web 1", "--enclave"),
        ("revenant move --back x", "x"),
        ("revenant trace", "--output"),
        ("revenant trace --seconds 0 -o f", "above 0"),
        ("revenant upgrade", "NAME"),
        ("revenant tpo", "tpo"),
    ];
    for (line, expected) in lines {
        let (text, code) = read_line(line).unwrap_err();
        assert_eq!((text.lines().count(), code), (1, CANNOT), "{line}: {text}");
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn what_follows_the_dashes_is_the_program_s() {
    let Command::Run(run) = read_line("revenant run -- grep --json -e x").unwrap().command else {
        panic!("not a run");
    };
    assert_eq!(run.program, ["grep", "--json", "-e", "x"]);
}

#[test]
fn cpus_left_out_are_all_but_the_first_and_those_of_others() {
    let create = creation("revenant enclave create");
    let online: CpuSet = (0..4).map(CpuId).collect();
    assert_eq!(create.cpus(&online, &only(2)).to_string(), "1,3");
    assert_eq!(create.cpus(&only(0), &CpuSet::EMPTY), only(0));
    let create = creation("revenant enclave create --cpus 0,2-3");
    assert_eq!(create.cpus(&online, &only(2)).to_string(), "0,2-3");
}

#[test]
fn the_agent_left_out_is_the_one_that_fits() {
    let two = (0..2).map(CpuId).collect();
    let create = creation("revenant enclave create");
    assert_eq!(create.agent(&two), AgentChoice::Global);
    assert_eq!(create.agent(&only(1)), AgentChoice::Percpu);
    let create = creation("revenant enclave create --policy fifo-percpu");
    assert_eq!(create.agent(&two), AgentChoice::Percpu);
    let create = creation("revenant enclave create --policy fifo-percpu --agent global");
    assert_eq!(create.agent(&two), AgentChoice::Global);
}

#[test]
fn times_are_read_with_their_unit() {
    let times = [("30us", 30_000), ("0.5ms", 500_000), ("10s", 10_000_000_000), ("0", 0)];
    for (text, ns) in times {
        assert_eq!(value::limit(text), Ok(Duration::from_nanos(ns)), "{text}");
    }
    assert_eq!(value::seconds("0.25"), Ok(Duration::from_millis(250)));
}

#[test]
fn times_are_written_as_they_are_read() {
    for ns in [0, 1, 30_000, 1_500_000, 61_000_000_000] {
        let time = Duration::from_nanos(ns);
        assert_eq!(value::limit(&value::duration_text(time)), Ok(time), "{ns}");
    }
}
