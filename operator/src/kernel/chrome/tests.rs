//! Traces of small schedules.

use super::super::trace_line;
use super::*;

fn stage() -> Stage {
    Stage {
        enclaves: BTreeMap::from([(0, "web".to_owned())]),
        cpus: BTreeMap::from([(1, 0), (2, 0)]),
        agents: BTreeMap::from([(50, 0)]),
        running: BTreeMap::from([(1, (50, "revenant".to_owned()))]),
        began_us: 1_000_000,
        ended_us: 1_000_500,
    }
}

fn document(lines: &[&str]) -> Document {
    let mut writer = Writer::new(stage());
    lines.iter().for_each(|line| writer.add(&trace_line::read(line).unwrap()));
    writer.finish()
}

fn slices(document: &Document, group: u32) -> Vec<(&str, u32, u64, Option<u64>)> {
    let own = document.events.iter().filter(|event| event.phase == "X" && event.group == group);
    own.map(|event| (event.name.as_str(), event.track, event.time_us, event.duration_us)).collect()
}

const LINES: [&str; 4] = [
    "a-0 [002] d. 1.000050: sched_wakeup: comm=job pid=7 prio=120 target_cpu=002",
    "a-0 [002] d. 1.000100: sched_switch: prev_comm=swapper/2 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=job next_pid=7 next_prio=120",
    "a-0 [002] d. 1.000300: sched_switch: prev_comm=job prev_pid=7 prev_prio=120 prev_state=R+ ==> next_comm=kworker next_pid=9 next_prio=120",
    "a-0 [002] d. 1.000310: sched_switch: prev_comm=kworker prev_pid=9 prev_prio=120 prev_state=I ==> next_comm=job next_pid=7 next_prio=120",
];

#[test]
fn stints_are_slices_of_their_cpu_s_track() {
    let document = document(&LINES);
    let expected = [
        ("job 7", 2, 100, Some(200)),
        ("kworker 9", 2, 300, Some(10)),
        ("revenant 50", 1, 0, Some(500)),
        ("job 7", 2, 310, Some(190)),
    ];
    assert_eq!(slices(&document, 1), expected);
    let job = document.events.iter().find(|event| event.name == "job 7").unwrap();
    assert_eq!(job.args["waited_us"], 50);
    assert_eq!(job.args["ended"], "preempted, or yielded");
}

#[test]
fn an_agent_that_spins_throughout_has_its_track() {
    assert_eq!(slices(&document(&[]), AGENTS), [("on CPU 1", 50, 0, Some(500))]);
}

#[test]
fn tracks_are_named() {
    let document = document(&LINES);
    let names: Vec<_> = document.events.iter().filter(|event| event.phase == "M").collect();
    let labels: Vec<_> = names.iter().map(|event| event.args["name"].as_str().unwrap()).collect();
    assert_eq!(labels, ["enclave web", "agents", "CPU 1", "CPU 2", "agent of web (50)"]);
}

#[test]
fn the_format_s_words_are_used() {
    let value = serde_json::to_value(document(&LINES)).unwrap();
    let slice = value["traceEvents"].as_array().unwrap().iter().find(|event| event["ph"] == "X");
    for field in ["name", "pid", "tid", "ts", "dur", "args"] {
        assert!(slice.unwrap().get(field).is_some(), "{field}");
    }
}
