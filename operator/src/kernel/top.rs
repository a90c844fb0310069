//! The command `top`: samples of the enclaves, once or on a screen.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use revenant_bpf::Scheduler;
use serde_json::json;

use super::columns::{align, time};
use super::sample::{self, Counters, EnclaveSample};
use super::{screen, session, signals};
use crate::cli::Top;
use crate::failure::Failure;

/// How often keys and signals are looked for while nothing is drawn.
const LOOK: Duration = Duration::from_millis(50);
/// What the first rates are taken over: too short for anybody to wait, long enough for a rate.
const FIRST: Duration = Duration::from_millis(200);

/// Shows the enclaves until asked to end, or once.
pub(crate) fn top(options: &Top, json: bool) -> Result<u8, Failure> {
    let scheduler = session::open(options.enclave.as_ref())?;
    if let Some(name) = &options.enclave {
        session::find(&scheduler, name)?;
    }
    signals::keep();
    if options.once {
        let before = Counters::read_all(&scheduler);
        std::thread::sleep(options.interval);
        print(&look(&scheduler, options, &before), json);
        return Ok(0);
    }
    if json {
        return stream(&scheduler, options);
    }
    if !io::stdout().is_terminal() {
        return Err(Failure::Cannot(anyhow!(
            "standard output is no terminal: use --once, or --json for a document each interval"
        )));
    }
    let mut terminal = ratatui::init();
    let shown = show(&scheduler, options, &mut terminal);
    ratatui::restore();
    shown.context("the screen cannot be drawn").map_err(Failure::Failed)?;
    Ok(0)
}

fn look(scheduler: &Scheduler, options: &Top, before: &[Counters]) -> Vec<EnclaveSample> {
    let mut samples = sample::sample(scheduler, before);
    let is_asked = |sample: &EnclaveSample| {
        options.enclave.as_ref().is_none_or(|name| *name == sample.row.name)
    };
    samples.retain(is_asked);
    samples
}

/// A document each interval, a line each.
fn stream(scheduler: &Scheduler, options: &Top) -> Result<u8, Failure> {
    while !signals::came() && scheduler.exit().is_none() {
        let before = Counters::read_all(scheduler);
        std::thread::sleep(options.interval);
        print(&look(scheduler, options, &before), true);
    }
    Ok(0)
}

fn show(scheduler: &Scheduler, options: &Top, terminal: &mut DefaultTerminal) -> io::Result<()> {
    let mut before = Counters::read_all(scheduler);
    // The first screen has rates, too.
    std::thread::sleep(options.interval.min(FIRST));
    let mut selected = 0;
    while !signals::came() {
        let samples = look(scheduler, options, &before);
        before = Counters::read_all(scheduler);
        selected = selected.min(samples.len().saturating_sub(1));
        let drawn = Instant::now();
        loop {
            terminal.draw(|frame| screen::draw(frame, &samples, selected))?;
            let left = options.interval.saturating_sub(drawn.elapsed());
            if left.is_zero() || signals::came() {
                break;
            }
            match key(left.min(LOOK))? {
                Some(KeyCode::Char('q') | KeyCode::Esc) => return Ok(()),
                Some(KeyCode::Left) => selected = selected.saturating_sub(1),
                Some(KeyCode::Right) => {
                    selected = (selected + 1).min(samples.len().saturating_sub(1));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The key pressed within `time`, if any. Ctrl-C is a key here, and means what `q` does.
fn key(time: Duration) -> io::Result<Option<KeyCode>> {
    if !event::poll(time)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind == KeyEventKind::Press => {
            let is_interrupt =
                key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            Some(if is_interrupt { KeyCode::Esc } else { key.code })
        }
        _ => None,
    })
}

fn print(samples: &[EnclaveSample], json: bool) {
    if json {
        println!("{}", json!({ "enclaves": samples }));
        return;
    }
    let header = ["ENCLAVE", "POLICY", "STATE", "THREADS", "RUN", "QUEUED", "MSGS/S", "COMMITS/S"];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    lines.extend(samples.iter().map(|sample| {
        vec![
            sample.row.name.clone(),
            sample.row.policy.clone(),
            sample.row.state.to_owned(),
            sample.row.threads.to_string(),
            sample.running.to_string(),
            sample.queued.to_string(),
            format!("{:.0}", sample.messages_per_s),
            format!("{:.0}", sample.commits_per_s),
        ]
    }));
    print!("{}", align(&lines));
    for sample in samples {
        for cpu in &sample.on_cpus {
            let tid = cpu.tid.map_or(String::new(), |tid| tid.to_string());
            println!("{}: CPU {} {} {} {tid}", sample.row.name, cpu.cpu, cpu.state, cpu.thread);
        }
        for delay in sample.delays.iter().filter(|delay| delay.count > 0) {
            let from = time(delay.from_ns);
            println!("{}: {} threads waited {from} or more", sample.row.name, delay.count);
        }
    }
}
