//! A schedule as a trace that ui.perfetto.dev and chrome://tracing read: a track for each CPU of an
//! enclave, one for each agent.
//!
//! The format is Chrome's "Trace Event Format", in which tracks are threads of processes. Here the
//! processes are enclaves, and one more has the agents.

use std::collections::BTreeMap;

use serde::Serialize;

use super::trace_line::{Happening, Thread, TraceLine};

/// The track group of agents; those of enclaves are 1 and up.
const AGENTS: u32 = 1_000;

/// What is known of the machine that is traced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stage {
    /// Enclaves by number, with their names.
    pub(crate) enclaves: BTreeMap<u32, String>,
    /// CPUs, with the enclave of each.
    pub(crate) cpus: BTreeMap<u32, u32>,
    /// Threads of agents, with their enclaves.
    pub(crate) agents: BTreeMap<u32, u32>,
    /// Who ran on a CPU when the recording began, where that is known.
    pub(crate) running: BTreeMap<u32, (u32, String)>,
    /// When it began.
    pub(crate) began_us: u64,
    /// And ended.
    pub(crate) ended_us: u64,
}

/// A trace, as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    #[serde(rename = "traceEvents")]
    pub(crate) events: Vec<Event>,
    #[serde(rename = "displayTimeUnit")]
    unit: &'static str,
    #[serde(rename = "otherData")]
    pub(crate) about: BTreeMap<&'static str, String>,
}

/// An event of the format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// `X` a slice, `i` an instant, `M` a track's name.
    #[serde(rename = "ph")]
    pub(crate) phase: &'static str,
    #[serde(rename = "pid")]
    group: u32,
    #[serde(rename = "tid")]
    pub(crate) track: u32,
    /// Microseconds since the recording began.
    #[serde(rename = "ts")]
    pub(crate) time_us: u64,
    #[serde(rename = "dur", skip_serializing_if = "Option::is_none")]
    pub(crate) duration_us: Option<u64>,
    /// Instants are of their track alone.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) args: BTreeMap<&'static str, serde_json::Value>,
}

/// Builds the trace from lines in the order of their times.
#[derive(Debug)]
pub(crate) struct Writer {
    stage: Stage,
    events: Vec<Event>,
    /// Who runs on each CPU, and since when.
    running: BTreeMap<u32, Running>,
    /// Since when threads wait for a CPU.
    waiting: BTreeMap<u32, u64>,
}

#[derive(Clone, Debug)]
struct Running {
    tid: u32,
    name: String,
    since_us: u64,
    waited_us: Option<u64>,
}

impl Writer {
    /// Names the tracks.
    pub(crate) fn new(stage: Stage) -> Self {
        let began_us = stage.began_us;
        let running = stage.running.iter().map(|(cpu, (tid, name))| {
            let name = name.clone();
            (*cpu, Running { tid: *tid, name, since_us: began_us, waited_us: None })
        });
        let running = running.collect();
        let mut writer = Self { stage, events: Vec::new(), running, waiting: BTreeMap::new() };
        writer.name_tracks();
        writer
    }

    fn name_tracks(&mut self) {
        let Stage { enclaves, cpus, agents, .. } = &self.stage;
        let groups = enclaves.iter().map(|(number, name)| {
            event("process_name", "M", (group(*number), 0), format!("enclave {name}"))
        });
        let agents_group = (!agents.is_empty())
            .then(|| event("process_name", "M", (AGENTS, 0), "agents".to_owned()));
        let cpu_tracks = cpus.iter().map(|(cpu, enclave)| {
            event("thread_name", "M", (group(*enclave), *cpu), format!("CPU {cpu}"))
        });
        let agent_tracks = agents.iter().map(|(tid, enclave)| {
            let name = enclaves.get(enclave).map_or("", String::as_str);
            event("thread_name", "M", (AGENTS, *tid), format!("agent of {name} ({tid})"))
        });
        self.events = groups.chain(agents_group).chain(cpu_tracks).chain(agent_tracks).collect();
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: &TraceLine<'_>) {
        match line.happening {
            Happening::Wakeup { thread, cpu } => {
                self.waiting.insert(thread.tid, line.time_us);
                if self.stage.cpus.contains_key(&cpu) {
                    self.instant(&thread, cpu, line.time_us);
                }
            }
            Happening::Switch { from, state, to } => self.switch(line, (from, state), to),
        }
    }

    fn switch(&mut self, line: &TraceLine<'_>, (from, state): (Thread<'_>, &str), to: Thread<'_>) {
        let before = self.running.remove(&line.cpu).filter(|running| running.tid == from.tid);
        if from.tid != 0 {
            // Who is not known to have begun has run since the recording did.
            let since_us = before.as_ref().map_or(self.stage.began_us, |running| running.since_us);
            let waited_us = before.and_then(|running| running.waited_us);
            let name = from.name.to_owned();
            let stint = Running { tid: from.tid, name, since_us, waited_us };
            self.slice(line.cpu, &stint, line.time_us, how(state));
            if state.starts_with('R') {
                self.waiting.insert(from.tid, line.time_us);
            }
        }
        if to.tid != 0 {
            let since = self.waiting.remove(&to.tid);
            let waited_us = since.map(|since_us| line.time_us.saturating_sub(since_us));
            let name = to.name.to_owned();
            let stint = Running { tid: to.tid, name, since_us: line.time_us, waited_us };
            self.running.insert(line.cpu, stint);
        }
    }

    /// A stint on the track of its CPU, and of its agent if it is one's.
    fn slice(&mut self, cpu: u32, stint: &Running, until_us: u64, ended: &str) {
        let Some(enclave) = self.stage.cpus.get(&cpu) else { return };
        let from_us = stint.since_us.max(self.stage.began_us);
        let mut slice = Event {
            time_us: from_us - self.stage.began_us,
            duration_us: Some(until_us.saturating_sub(from_us)),
            ..event(
                &format!("{} {}", stint.name, stint.tid),
                "X",
                (group(*enclave), cpu),
                String::new(),
            )
        };
        slice.args = BTreeMap::from([("tid", stint.tid.into()), ("ended", ended.into())]);
        slice.args.extend(stint.waited_us.map(|waited_us| ("waited_us", waited_us.into())));
        if self.stage.agents.contains_key(&stint.tid) {
            let (name, args) = (format!("on CPU {cpu}"), BTreeMap::from([("cpu", cpu.into())]));
            self.events.push(Event {
                name,
                group: AGENTS,
                track: stint.tid,
                args,
                ..slice.clone()
            });
        }
        self.events.push(slice);
    }

    fn instant(&mut self, thread: &Thread<'_>, cpu: u32, time_us: u64) {
        let Some(enclave) = self.stage.cpus.get(&cpu) else { return };
        let mut instant = event(
            &format!("wakeup {} {}", thread.name, thread.tid),
            "i",
            (group(*enclave), cpu),
            String::new(),
        );
        instant.time_us = time_us.saturating_sub(self.stage.began_us);
        instant.scope = Some("t");
        instant.args.insert("tid", thread.tid.into());
        self.events.push(instant);
    }

    /// Ends what still runs.
    pub(crate) fn finish(mut self) -> Document {
        let ended_us = self.stage.ended_us;
        for (cpu, stint) in std::mem::take(&mut self.running) {
            self.slice(cpu, &stint, ended_us, "still running");
        }
        Document { events: self.events, unit: "ns", about: BTreeMap::new() }
    }
}

const fn group(enclave: u32) -> u32 {
    enclave + 1
}

/// An event at the beginning. `label` is what a track is called.
fn event(name: &str, phase: &'static str, (group, track): (u32, u32), label: String) -> Event {
    let args =
        if phase == "M" { BTreeMap::from([("name", label.into())]) } else { BTreeMap::new() };
    Event {
        name: name.to_owned(),
        phase,
        group,
        track,
        time_us: 0,
        duration_us: None,
        scope: None,
        args,
    }
}

/// The kernel's letter for a thread's state as it left the CPU.
fn how(state: &str) -> &'static str {
    match state.chars().next() {
        Some('R') => "preempted, or yielded",
        Some('S' | 'D' | 'I') => "blocked",
        Some('X' | 'Z') => "exited",
        _ => "stopped",
    }
}

#[cfg(test)]
mod tests;
