//! The program as its users meet it: what it says, what it writes, how it ends.
//!
//! It drives servers that live in this test and behave as a test needs them to. Nothing here judges
//! how fast anything is: where a time matters, a server makes it so long that no machine could.

#[path = "program/datagrams.rs"]
mod datagrams;
#[path = "program/server.rs"]
mod server;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use revenant_loadgen::report::document::Document;
use revenant_loadgen::report::row::{ClassRow, is_infinite};
use server::{Manner, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_revenant-loadgen");

fn command(line: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(line.split_whitespace()).stdin(Stdio::null()).env_remove("REVENANT_PASSWORD");
    command
}

fn run(line: &str) -> Output {
    command(line).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

/// A folder of this test run, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir();
        let folder = folder.join(format!("revenant-loadgen-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect("the file was written")
    }

    fn document(&self) -> Document {
        serde_json::from_str(&self.read("r.json")).expect("the results are a document")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Not there is what it should be.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Drives a server; the document that comes of it, the exit code and what was shown.
fn drive(server: &Server, options: &str, name: &str) -> (Document, Option<i32>, String) {
    let scratch = Scratch::new(name);
    let json = scratch.path("r.json");
    let warmup = if options.contains("--warmup") { "" } else { "--warmup 50ms" };
    let line = format!("{} {warmup} {options} --json {json}", server.address());
    let output = run(&line);
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(fs::exists(&json).expect("a folder that is ours"), "{line}: {shown}");
    (scratch.document(), output.status.code(), shown)
}

fn at(class: &ClassRow, percent: f64) -> (f64, f64) {
    let percentile = class.percentile(percent).expect("a percentile of the list");
    let us = |value: Option<f64>| value.expect("there were requests");
    (us(percentile.latency_us), us(percentile.from_send_us))
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let cases = [
        ("127.0.0.1:1 --rate 0", ["--rate", "50k"]),
        ("127.0.0.1:1 --rate 6M", ["requests/s of 6000000", "to 5000000"]),
        ("127.0.0.1:1 --duration 2000s --rate 100k", ["requests", "shorten the run"]),
        ("127.0.0.1:1 --duration 3601s", ["duration of 3601", "to 3600"]),
        ("127.0.0.1:1 --connections 0", ["connections of 0", "give 1"]),
        ("127.0.0.1:1 --preset kv", ["`kv`", "get-scan"]),
        ("127.0.0.1:1 --mix get=90:GET", ["add up to 90", "100"]),
        ("127.0.0.1:1 --slo put:p99:1ms", ["no class `put`", "get, all"]),
        ("127.0.0.1:1 --slo get:99:1ms", ["get:99:1ms", "get:p99:100us"]),
        ("127.0.0.1:1 --sweep 5k", ["FROM:TO:STEP", "10k"]),
        ("127.0.0.1:1 --rate 5k --closed", ["--closed", "--rate"]),
        ("127.0.0.1:1 --trace /nowhere/at.all", ["/nowhere/at.all", "cannot read"]),
        ("127.0.0.1:1 --json /nowhere/at/all.json", ["/nowhere/at/all.json", "directory"]),
        ("127.0.0.1:1 --keys 0", ["0 keys", "give 1"]),
        ("127.0.0.1:1 --server-pid 4294967295", ["--server-pid", "process"]),
        ("--rate 5k", ["ADDR", "--help"]),
    ];
    for (line, expected) in cases {
        let output = run(line);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "{line}: {err}");
        assert_eq!((err.lines().count(), out.as_str()), (1, ""), "{line}: {err}");
        for part in expected {
            assert!(err.contains(part), "{line}: {err}");
        }
    }
}

#[test]
fn help_and_list_teach() {
    let help = text(&run("--help").stdout);
    for part in ["Examples:", "Open loop", "Exit codes", "--slo", "agent"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    let list = text(&run("list").stdout);
    for name in ["get-scan", "ghost-dispersive", "SPIN"] {
        assert!(list.contains(name), "{list}");
    }
}

#[test]
fn a_server_that_is_not_there_is_asked_after() {
    let free = Server::address_of_nobody();
    let output = run(&format!("{free} --duration 100ms"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is the server running"), "{}", text(&output.stderr));
}

#[test]
fn load_leaves_this_machine_only_when_told() {
    let output = run("192.0.2.1:6379 --duration 100ms");
    assert!(text(&output.stderr).contains("--allow-remote"), "{}", text(&output.stderr));
}

#[test]
fn a_command_the_server_lacks_is_explained() {
    let cases = [
        ("ERR unknown command 'SPIN'", "choose traffic"),
        ("NOAUTH Authentication required.", "REVENANT_PASSWORD"),
        ("OVERLOADED retry-after-ms 5", "wait until it is idle"),
        ("ERR wrong number of arguments", "correct the command"),
    ];
    for (words, cure) in cases {
        let server = Server::start(Manner::Refuses(words));
        let output = run(&format!("{} --preset ghost-dispersive", server.address()));
        assert_eq!(output.status.code(), Some(1));
        let err = text(&output.stderr);
        assert!(err.contains("`short`") && err.contains(words) && err.contains(cure), "{err}");
    }
}

#[test]
fn a_password_is_sent_before_anything_else() {
    let server = Server::start(Manner::Refuses("WRONGPASS invalid username-password pair"));
    let line = format!("{} --rate 5k", server.address());
    let output = command(&line).env("REVENANT_PASSWORD", "secret").output().expect("it starts");
    let err = text(&output.stderr);
    assert!(err.contains("AUTH") && !err.contains("secret"), "{err}");
    assert_eq!((server.count("AUTH"), server.count("GET")), (1, 0));
}

#[test]
fn a_run_leaves_a_table_and_files_in_every_form() {
    let server = Server::start(Manner::Answers);
    let scratch = Scratch::new("files");
    let line = format!(
        "{} --preset get-set --rate 2k --duration 500ms --keys 1k --load --progress \
         --json {} --csv {} --html {} --hgrm {}",
        server.address(),
        scratch.path("r.json"),
        scratch.path("r.csv"),
        scratch.path("r.html"),
        scratch.path("out")
    );
    let output = run(&line);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 3)), "{err}");
    assert!(out.contains("get") && out.contains("set") && out.contains("p99.9"), "{out}");
    assert!(err.contains("requests/s: 1 s"), "the live line: {err}");
    let run = &scratch.document().runs[0];
    let names: Vec<&str> = run.classes.iter().map(|class| class.class.as_str()).collect();
    assert_eq!(names, ["get", "set", "all"]);
    let [get, set, all] = &run.classes[..] else { panic!("three classes") };
    assert_eq!(get.requests + set.requests, all.requests);
    assert_eq!(all.counts.answered, all.requests);
    // 1000 requests planned; a Poisson count is within six deviations of its mean.
    assert!((800..1_200).contains(&all.requests), "{}", all.requests);
    assert!(scratch.read("r.csv").lines().count() > 20);
    assert!(scratch.read("r.html").contains("</html>"));
    assert!(scratch.read("out/001-2.00k-get.hgrm").contains("#[Max"));
    let (sets, gets) = (server.count("SET"), server.count("GET"));
    assert_eq!(sets, 1_000 + 1 + server_sets(&scratch.document()), "keys, the trial, and the run");
    assert!(gets > 500, "{gets}");
}

/// SETs of the whole run, its warm-up included, as far as the server's count tells.
fn server_sets(document: &Document) -> u64 {
    // The plan is seeded: what the warm-up of 1 s sends beside what counts is always the same.
    let counted = document.runs[0].class("set").expect("a class").requests;
    let job_sets = planned_sets(document.load.warmup_s, document.load.seconds);
    assert!(job_sets > counted, "the warm-up sends, too");
    job_sets
}

/// SETs that the plan of this test holds.
fn planned_sets(warmup_s: f64, seconds: f64) -> u64 {
    use revenant_loadgen::{Arrivals, Plan, PlanSpec, Traffic};
    let traffic = Traffic::preset("get-set").expect("a preset");
    let spec = PlanSpec {
        arrivals: Arrivals::Poisson,
        rate_rps: 2_000.0,
        duration_ns: ((warmup_s + seconds) * 1e9) as u64,
        seed: 1,
    };
    let plan = Plan::new(traffic.mix(), spec).expect("a small plan");
    plan.requests().iter().filter(|request| request.class == 1).count() as u64
}

#[test]
fn a_stall_of_the_server_counts_for_everyone_who_meant_to_ask() {
    // One connection in order: whoever comes during the stall of 400 ms waits for its end.
    let server = Server::start(Manner::StallsOnce { after: 300, for_ms: 400 });
    let (document, _, shown) = drive(&server, "--rate 1k --duration 1s --connections 1", "stall");
    let all = document.runs[0].class("all").expect("all");
    // 400 of 1000 requests fall into it, waiting 200 ms on average.
    let (p90_us, _) = at(all, 90.0);
    assert!(p90_us > 100_000.0, "{shown}");
    assert_eq!(all.counts.failed(), 0, "late, not lost: {shown}");
}

#[test]
fn a_generator_that_is_asked_for_too_much_says_so_in_its_latencies() {
    // 5 M/s leave 200 ns a request: less than any system call over a socket takes.
    let server = Server::start(Manner::Answers);
    let (document, code, shown) = drive(&server, "--rate 5M --warmup 0 --duration 40ms", "late");
    let run = &document.runs[0];
    let all = run.class("all").expect("all").percentile(50.0).expect("a median");
    let (latency_us, late_us) = (all.latency_us.unwrap_or(0.0), all.lateness_us.unwrap_or(0.0));
    assert!(late_us > 1_000.0 && latency_us >= late_us, "{shown}");
    assert!(!run.valid && code == Some(3) && shown.contains("INVALID, lateness"), "{shown}");
}

#[test]
fn what_could_not_be_sent_in_time_is_counted_as_dropped() {
    let server = Server::start(Manner::Answers);
    let options = "--rate 5M --warmup 0 --duration 40ms --drain 0";
    let (document, _, shown) = drive(&server, options, "dropped");
    let all = document.runs[0].class("all").expect("all");
    // 200 000 planned, give or take six deviations of a Poisson count.
    assert!((197_000..203_000).contains(&all.requests), "{} of 200000: {shown}", all.requests);
    assert!(all.counts.dropped > 1_000, "{shown}");
}

#[test]
fn a_closed_loop_forgives_the_same_stall_and_says_that_it_is_one() {
    let server = Server::start(Manner::StallsOnce { after: 300, for_ms: 400 });
    let (document, _, shown) = drive(&server, "--closed --duration 1s --connections 1", "closed");
    assert_eq!(document.load.kind, "closed");
    assert!(shown.contains("CLOSED LOOP"), "{shown}");
    let all = document.runs[0].class("all").expect("all");
    // One request saw the stall; the others were not sent before it was over.
    assert!(at(all, 90.0).0 < 100_000.0, "{shown}");
}

#[test]
fn what_is_never_answered_is_infinite_and_named() {
    let server = Server::start(Manner::Swallows { every: 10 });
    let (document, code, shown) =
        drive(&server, "--protocol native --rate 1k --duration 500ms --drain 200ms", "swallow");
    let all = document.runs[0].class("all").expect("all");
    assert!(all.counts.unanswered > 20, "{shown}");
    assert!(is_infinite(at(all, 95.0).0), "{shown}");
    assert!(all.percentile(95.0).expect("p95").answered_us < Some(100e6));
    assert!(shown.contains("unanswered") && shown.contains("inf"), "{shown}");
    assert_eq!(code, Some(3), "a tenth is missing: {shown}");
}

#[test]
fn errors_in_a_run_are_counted_and_quoted() {
    let server = Server::start(Manner::FailsFrom { request: 100 });
    let (document, _, shown) = drive(&server, "--rate 1k --duration 500ms", "errors");
    let run = &document.runs[0];
    assert!(run.class("all").expect("all").counts.errors > 100, "{shown}");
    assert_eq!(run.first_error.as_deref(), Some("ERR no more"));
    assert!(!run.valid && shown.contains("ERR no more"), "{shown}");
}

#[test]
fn a_server_that_hangs_up_ends_the_run_with_what_was_lost() {
    let server = Server::start(Manner::HangsUpAt { request: 100 });
    let (document, code, shown) = drive(&server, "--rate 1k --duration 60s", "hang-up");
    let run = &document.runs[0];
    assert_eq!(run.connections_lost, 16, "{shown}");
    assert!(run.interrupted && !run.valid, "{shown}");
    assert!(shown.contains("the server ended every connection"), "{shown}");
    assert_eq!(code, Some(3), "{shown}");
}

#[test]
fn what_a_run_cost_the_server_is_part_of_its_results() {
    let server = Server::start(Manner::Answers);
    // The server is this test, and so is the process that pays for it.
    let options = format!(
        "--rate 1k --duration 300ms --server-pid {} --metrics {}",
        std::process::id(),
        server::rising_counter()
    );
    let (document, _, shown) = drive(&server, &options, "expenses");
    let spent = document.runs[0].server.as_ref().expect("both borders were read");
    assert!(spent.cpus.is_some() && spent.seconds > 0.2, "{shown}");
    assert_eq!(spent.counters.get("looks_total"), Some(&1.0), "one look later: {shown}");
    assert!(shown.contains("server:") && shown.contains("looks_total"), "{shown}");
}

#[test]
fn native_replies_in_any_order_find_their_requests() {
    let server = Server::start(Manner::Answers);
    let (document, _, shown) = drive(
        &server,
        "--protocol native --mix get=60:GET,set=30:SET,spin=10:10us --rate 2k --duration 500ms",
        "native",
    );
    let all = document.runs[0].class("all").expect("all");
    assert!(all.requests > 500 && all.counts.failed() == 0, "{shown}");
}

#[test]
fn a_trace_is_sent_as_recorded() {
    let server = Server::start(Manner::Answers);
    let scratch = Scratch::new("trace");
    let trace = scratch.path("times");
    // The warm-up of 50 ms holds the first two.
    fs::write(&trace, "0s get\n40ms set\n60ms get\n70ms set\n80ms get\n").expect("a file of ours");
    let (document, _, shown) =
        drive(&server, &format!("--preset get-set --trace {trace}"), "trace-run");
    let run = &document.runs[0];
    let count = |name: &str| run.class(name).expect("a class").requests;
    assert_eq!((count("get"), count("set"), run.rate_rps), (2, 1, None), "{shown}");
}

#[test]
fn a_sweep_runs_every_rate() {
    let server = Server::start(Manner::Answers);
    let (document, _, _) = drive(&server, "--sweep 1k:2k:500 --duration 100ms", "sweep");
    let rates: Vec<Option<f64>> = document.runs.iter().map(|run| run.rate_rps).collect();
    assert_eq!(rates, [Some(1_000.0), Some(1_500.0), Some(2_000.0)]);
}

#[test]
fn a_hopeless_objective_ends_with_no_load_and_exit_code_3() {
    let server = Server::start(Manner::Answers);
    let options = "--slo get:p50:1ns --rate-start 40 --repeats 1 --duration 100ms --warmup 0";
    let scratch = Scratch::new("slo");
    let output = run(&format!("{} {options} --json {}", server.address(), scratch.path("r.json")));
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("no load meets get p50"), "{}", text(&output.stdout));
    assert!(scratch.document().search.is_some_and(|search| search.found.is_none()));
}

#[test]
fn ctrl_c_leaves_what_was_measured() {
    let server = Server::start(Manner::Answers);
    let scratch = Scratch::new("partial");
    let line = format!(
        "{} --rate 1k --duration 600s --warmup 0 --progress --json {}",
        server.address(),
        scratch.path("r.json")
    );
    let mut child = command(&line)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    let stderr = child.stderr.take().expect("stderr is piped");
    BufReader::new(stderr).read_line(&mut first).expect("a line about the run");
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let document = scratch.document();
    assert!(!document.complete && document.runs[0].interrupted);
    assert!(document.runs[0].class("all").expect("all").counts.answered > 0);
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the child is ours");
}

/// An agent of this test, ended when dropped.
struct AgentProcess {
    child: Child,
    address: String,
}

impl AgentProcess {
    fn start() -> Self {
        let mut child = command("agent --listen 127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("stderr is piped");
        BufReader::new(stderr).read_line(&mut line).expect("it says where it waits");
        let address = line.trim().rsplit(' ').next().expect("an address").to_owned();
        Self { child, address }
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        // It ends when the test does, whatever became of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn agents_share_a_load_and_their_results_are_one() {
    let server = Server::start(Manner::Answers);
    let agents = [AgentProcess::start(), AgentProcess::start()];
    let options = format!(
        "--preset get-set --rate 2k --duration 500ms --agents {},{}",
        agents[0].address, agents[1].address
    );
    let (document, _, shown) = drive(&server, &options, "agents");
    assert_eq!((document.load.agents.len(), document.load.connections), (2, 32));
    let all = document.runs[0].class("all").expect("all");
    assert!((800..1_200).contains(&all.requests), "the sum of both: {shown}");
    assert_eq!(all.counts.answered, all.requests, "{shown}");
    let checks = &document.runs[0].checks;
    assert_eq!(checks.iter().filter(|check| check.name == "inter-arrivals").count(), 2);
}

#[test]
fn an_agent_outlives_whoever_talks_nonsense_to_it() {
    let agent = AgentProcess::start();
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], b"\x02\0\0\0{}", b"\x09\0\0\0"] {
        let mut stream = TcpStream::connect(&agent.address).expect("the agent waits");
        stream.write_all(nonsense).expect("a socket takes a few bytes");
    }
    let server = Server::start(Manner::Answers);
    let options = format!("--rate 500 --duration 200ms --agents {}", agent.address);
    let (document, _, shown) = drive(&server, &options, "nonsense");
    assert!(document.runs[0].class("all").expect("all").requests > 50, "{shown}");
}

#[test]
fn an_agent_that_cannot_do_its_part_says_why() {
    let agent = AgentProcess::start();
    let nobody = Server::address_of_nobody();
    let output = run(&format!("{nobody} --agents {}", agent.address));
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(err.contains(&agent.address) && err.contains("is the server running"), "{err}");
}

#[test]
fn a_probe_tells_what_the_cpu_kept_for_itself() {
    let scratch = Scratch::new("probe");
    let json = scratch.path("probe.json");
    let allowed = rustix::thread::sched_getaffinity(None).expect("it can be asked");
    let cpu = (0..1_024).find(|cpu| allowed.is_set(*cpu)).expect("a CPU is allowed");
    let output = run(&format!("probe --cpu {cpu} --duration 50ms --json {json}"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("without the CPU for") && told.contains("late by p50"), "{told}");
    let document: serde_json::Value =
        serde_json::from_str(&scratch.read("probe.json")).expect("JSON");
    assert_eq!((&document["format"], &document["cpu"]), (&1.into(), &cpu.into()));
    assert!(document["seconds"].as_f64().expect("a number") >= 0.05);
    let forbidden = run("probe --cpu 100000");
    assert_eq!(forbidden.status.code(), Some(2));
    assert!(text(&forbidden.stderr).contains("taskset"), "{}", text(&forbidden.stderr));
}
