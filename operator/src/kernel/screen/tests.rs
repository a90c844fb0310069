//! The screen, as text.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::kernel::record::{AgentRow, EnclaveRow};
use crate::kernel::sample::{CpuSample, OutcomeCount};

fn sample(name: &str) -> EnclaveSample {
    EnclaveSample {
        row: EnclaveRow {
            name: name.to_owned(),
            number: 0,
            state: "attached",
            cpus: "1-3".to_owned(),
            policy: "two-queue".to_owned(),
            agent: AgentRow { kind: "global", pid: Some(812), cpu: Some(1) },
            keeper_pid: Some(810),
            threads: 9,
            orphan_limit_ns: 10_000_000_000,
            watchdog_ns: 5_000_000_000,
            silence_limit_ns: 500_000_000,
            age_ns: 61_000_000_000,
            blackout_ns: 0,
        },
        interval_ns: 1_000_000_000,
        queued: 5,
        running: 2,
        blocked: 2,
        messages_per_s: 48_123.0,
        commits_per_s: 24_000.0,
        turns_per_s: 612_000.0,
        messages: 1_000_000,
        fallback_runs: 3,
        fast_path_runs: 0,
        handoffs: 12,
        outcomes: vec![
            OutcomeCount { outcome: "committed", total: 500_000, per_s: 24_000.0 },
            OutcomeCount { outcome: "stale", total: 40, per_s: 2.0 },
            OutcomeCount { outcome: "aborted", total: 0, per_s: 0.0 },
        ],
        delays: (0..32)
            .map(|bucket| DelayCount {
                from_ns: 1 << bucket,
                count: [0, 7, 900, 80, 0, 2][bucket % 6],
            })
            .enumerate()
            .map(
                |(bucket, delay)| {
                    if (12..18).contains(&bucket) {
                        delay
                    } else {
                        DelayCount { count: 0, ..delay }
                    }
                },
            )
            .collect(),
        on_cpus: vec![
            CpuSample {
                cpu: 1,
                state: "agent",
                tid: Some(812),
                thread: "revenant".into(),
                busy_times: 9,
            },
            CpuSample {
                cpu: 2,
                state: "running",
                tid: Some(901),
                thread: "server".into(),
                busy_times: 1,
            },
            CpuSample { cpu: 3, state: "idle", tid: None, thread: String::new(), busy_times: 0 },
        ],
    }
}

fn drawn(samples: &[EnclaveSample]) -> String {
    let mut terminal = Terminal::new(TestBackend::new(120, 24)).unwrap();
    terminal.draw(|frame| draw(frame, samples, 0)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn the_screen_shows_what_happens() {
    let screen = drawn(&[sample("web"), sample("batch")]);
    println!("{screen}");
    let shown = [
        "web",
        "batch",
        "1-3",
        "two-queue",
        "812 on CPU 1",
        "48.1k",
        "24.0k",
        "612.0k",
        "server 901",
        "idle",
        "committed",
        "500000",
        "(without agent)",
        "8.19 us",
        "########",
        "queued -> running, last 1.00 s",
    ];
    for part in shown {
        assert!(screen.contains(part), "{part} is missing:\n{screen}");
    }
    assert!(!screen.contains("aborted"), "what never happened takes no line:\n{screen}");
}

#[test]
fn no_enclaves_are_told_with_a_cure() {
    assert!(drawn(&[]).contains("revenant enclave create"), "{}", drawn(&[]));
}

#[test]
fn a_small_terminal_breaks_nothing() {
    let mut terminal = Terminal::new(TestBackend::new(20, 5)).unwrap();
    terminal.draw(|frame| draw(frame, &[sample("web")], 0)).unwrap();
}
