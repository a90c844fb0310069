//! The program as its users meet it: what it says, what it writes, how it ends.
//!
//! Nothing here judges a time: whatever else this machine does, results only have to be there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use revenant_bench::document::Document;
use revenant_bench::network;

const PROGRAM: &str = env!("CARGO_BIN_EXE_revenant-bench");

fn run(line: &str) -> Output {
    let arguments = line.split_whitespace();
    let output = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output();
    output.expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

/// A file of this test run, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("revenant-cli-{}-{name}", std::process::id())))
    }

    fn document(&self) -> Document {
        let json = fs::read_to_string(&self.0).expect("the results were written");
        serde_json::from_str(&json).expect("the results are a document")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Not there is what it should be.
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let cases = [
        ("compare --systems eevdf,cfs", ["`cfs`", "fifo-pool"]),
        ("compare --workload redis", ["`redis`", "ghost-dispersive"]),
        ("compare --load 0", ["--load", "above 0"]),
        ("compare --load 0.5,1.51", ["1.51", "at most 1.5"]),
        ("compare --workers 400", ["too few CPUs", "401"]),
        ("compare --json /nowhere/at/all.json", ["/nowhere/at/all.json", "directory"]),
        ("compare --html /", ["cannot write /", "directory"]),
        ("compare --seconds 600 --load 1 --workload 100:1ns", ["requests", "shorten the run"]),
        ("simulate --policy fifo --quantum-us 5", ["never preempts", "shinjuku"]),
        ("simulate --cpus 0", ["--cpus", "512"]),
        ("network --systems nginx", ["`nginx`", "tokio"]),
        ("network --slo get:99:1ms", ["get:99:1ms", "CLASS:PERCENTILE:LIMIT"]),
        ("network --slo put:p99:1ms", ["no class `put`", "get"]),
        ("network --html /nowhere/at/all.html", ["/nowhere/at/all.html", "directory"]),
        ("peer tokio --listen 0.0.0.0:1", ["loopback", "127.0.0.1"]),
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
    for line in ["--help", "compare --help", "simulate --help", "list"] {
        let output = run(line);
        assert!(output.status.success() && output.stderr.is_empty(), "{line}");
    }
    assert!(text(&run("compare --help").stdout).contains("Examples:"));
    let list = text(&run("list").stdout);
    for name in ["ghost-dispersive", "eevdf-nice", "ideal-ps", "two-queue"] {
        assert!(list.contains(name), "{list}");
    }
}

#[test]
fn a_small_comparison_leaves_a_table_and_documents() {
    let (json, html) = (Scratch::new("small.json"), Scratch::new("small.html"));
    let output = run(&format!(
        "compare --systems fifo-pool,eevdf,ideal --load 0.3 --seeds 1 --seconds 0.2 --repeats 0 \
         --batch --json {} --html {}",
        json.0.display(),
        html.0.display()
    ));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert!(out.contains("fifo-pool") && out.contains("eevdf"), "{out}");
    let document = json.document();
    assert!(document.complete && document.skipped.is_empty());
    assert_eq!(document.rows.len(), 3 * 2, "three systems, two classes");
    for row in &document.rows {
        assert!(row.class == "long" || (row.requests > 0 && row.p99_us.is_some()), "{row:?}");
        assert_eq!(row.batch_share.is_some(), row.system != "ideal", "{row:?}");
    }
    let page = fs::read_to_string(&html.0).expect("the report was written");
    assert!(page.contains("<svg") && page.contains("fifo-pool"));
}

#[test]
fn every_system_runs_or_says_why_not() {
    let json = Scratch::new("every.json");
    let output = run(&format!(
        "compare --workload kv --load 0.2 --seeds 1 --seconds 0.05 --repeats 0 --json {}",
        json.0.display()
    ));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document = json.document();
    for system in revenant_bench::system::ALL {
        let ran = document.rows.iter().any(|row| row.system == system.name());
        let skipped = document.skipped.iter().find(|skipped| skipped.system == system.name());
        assert_eq!(ran, skipped.is_none(), "{}", system.name());
        if let Some(skipped) = skipped {
            assert!(text(&output.stdout).contains(&skipped.reason), "{}", skipped.reason);
        }
    }
}

#[test]
fn ctrl_c_leaves_what_was_measured() {
    let json = Scratch::new("partial.json");
    // Ten minutes, were it not interrupted.
    let line = "compare --systems ideal,fifo-pool --load 0.1 --seeds 1 --seconds 600";
    let mut child = Command::new(PROGRAM)
        .args(line.split_whitespace())
        .arg("--json")
        .arg(&json.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    let stderr = child.stderr.take().expect("stderr is piped");
    BufReader::new(stderr).read_line(&mut first).expect("progress is told");
    assert!(first.contains("load 0.1"), "{first}");
    // SAFETY: the child is ours and not waited for yet, so its id is its own.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    assert_eq!(sent, 0);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(!json.document().complete);
}

#[test]
fn a_simulation_repeats_to_the_byte() {
    let rows = |name: &str| {
        let json = Scratch::new(name);
        let output = run(&format!(
            "simulate --cpus 8 --policy two-queue --load 0.9 --requests 50000 --exp \
             --preempt-cost-us 1 --json {}",
            json.0.display()
        ));
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("preemptions a request"));
        json.document().rows
    };
    let first = rows("first.json");
    assert_eq!(first.len(), 2);
    assert!(first == rows("second.json"), "the same seed, other results");
}

/// Every rival serves the server's own commands and store, in both protocols.
#[test]
fn rivals_are_compared_over_sockets() {
    let (scratch, report) = (Scratch::new("network.json"), Scratch::new("network.html"));
    for protocol in ["native", "resp"] {
        let line = format!(
            "network --systems tokio,tokio-blocking,thread-pool --rate 500 --seconds 0.2 --seeds 1 \
             --keys 2000 --preset get=90:GET,scan=10:RANGE\u{a0}100 --protocol {protocol}"
        );
        let mut command = Command::new(PROGRAM);
        command.args(line.split(' ').map(|word| word.replace('\u{a0}', " ")));
        command.arg("--json").arg(&scratch.0).arg("--html").arg(&report.0);
        let output = command.stdin(Stdio::null()).output().expect("the program starts");
        assert!(output.status.success(), "{}", text(&output.stderr));
        // Lines are broken to the width of a page.
        let table = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        for name in ["tokio-blocking", "thread-pool", "scan", "generator on CPU"] {
            assert!(table.contains(name), "no {name} in {table}");
        }
        let json = fs::read_to_string(&scratch.0).expect("the results were written");
        let document: network::Document = serde_json::from_str(&json).expect("they are a document");
        for entry in &document.entries {
            let all = entry.runs[0].class("all").expect("there is one");
            assert_eq!((all.counts.errors, all.counts.lost), (0, 0), "{}", entry.contender);
            assert!(all.counts.answered > 0);
            assert!(entry.latency_us("scan", 50.0) > Some(0.0));
        }
        let page = fs::read_to_string(&report.0).expect("the report was written");
        for part in ["scan: latency by percentile", "<svg", "tokio-blocking", "generator on CPU"] {
            assert!(page.contains(part), "no {part} in {page}");
        }
    }
}
