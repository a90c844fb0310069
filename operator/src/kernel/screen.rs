//! The screen of `top`.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use super::columns::time;
use super::sample::{DelayCount, EnclaveSample};

/// Characters of the longest bar.
const BAR: usize = 24;
/// Lines around a table: its borders and its header.
const AROUND: u16 = 3;

/// Draws the enclaves, and of the selected one its CPUs, outcomes and waits.
pub(crate) fn draw(frame: &mut Frame<'_>, samples: &[EnclaveSample], selected: usize) {
    let lines = samples.len() as u16 + AROUND;
    let rows =
        Layout::vertical([Constraint::Length(lines), Constraint::Min(0), Constraint::Length(1)]);
    let [head, body, foot] = rows.areas(frame.area());
    frame.render_widget(overview(samples, selected), head);
    match samples.get(selected) {
        Some(sample) => draw_one(frame, body, sample),
        None => frame.render_widget(
            Paragraph::new("there are no enclaves; `revenant enclave create` makes one"),
            body,
        ),
    }
    frame.render_widget(Paragraph::new("q quit   left, right: another enclave"), foot);
}

fn draw_one(frame: &mut Frame<'_>, area: Rect, sample: &EnclaveSample) {
    let columns =
        Layout::horizontal([Constraint::Min(28), Constraint::Length(34), Constraint::Length(44)]);
    let [left, middle, right] = columns.areas(area);
    frame.render_widget(cpus(sample), left);
    frame.render_widget(outcomes(sample), middle);
    frame.render_widget(waits(sample), right);
}

fn overview(samples: &[EnclaveSample], selected: usize) -> Table<'static> {
    let header = [
        "ENCLAVE",
        "CPUS",
        "POLICY",
        "STATE",
        "AGENT",
        "THREADS",
        "RUN",
        "QUEUED",
        "MSGS/S",
        "COMMITS/S",
        "TURNS/S",
    ];
    let rows = samples.iter().enumerate().map(|(index, sample)| {
        let row = &sample.row;
        let cells = [
            row.name.clone(),
            row.cpus.clone(),
            row.policy.clone(),
            row.state.to_owned(),
            agent(sample),
            row.threads.to_string(),
            sample.running.to_string(),
            sample.queued.to_string(),
            rate(sample.messages_per_s),
            rate(sample.commits_per_s),
            rate(sample.turns_per_s),
        ];
        let style = if index == selected { Modifier::REVERSED } else { Modifier::empty() };
        Row::new(cells.map(Cell::from)).style(Style::new().add_modifier(style))
    });
    let widths = [14, 9, 12, 9, 16, 7, 4, 6, 8, 9, 8].map(Constraint::Length);
    Table::new(rows, widths).header(bold(&header)).block(framed("enclaves"))
}

fn agent(sample: &EnclaveSample) -> String {
    let agent = &sample.row.agent;
    let pid = agent.pid.map_or("none".to_owned(), |pid| pid.to_string());
    match agent.cpu {
        Some(cpu) => format!("{pid} on CPU {cpu}"),
        None => pid,
    }
}

fn cpus(sample: &EnclaveSample) -> Table<'static> {
    let rows = sample.on_cpus.iter().map(|cpu| {
        let thread = cpu.tid.map_or(String::new(), |tid| format!("{} {tid}", cpu.thread));
        Row::new([cpu.cpu.to_string(), cpu.state.to_owned(), thread].map(Cell::from))
    });
    let widths = [Constraint::Length(3), Constraint::Length(7), Constraint::Min(10)];
    Table::new(rows, widths).header(bold(&["CPU", "", "THREAD"])).block(framed("CPUs"))
}

/// Outcomes that occurred, and what else ran threads.
fn outcomes(sample: &EnclaveSample) -> Table<'static> {
    let happened = sample.outcomes.iter().filter(|count| count.total > 0);
    let counts = happened
        .map(|count| [count.outcome.to_owned(), count.total.to_string(), rate(count.per_s)]);
    let others = [
        ("(fast path)", sample.fast_path_runs),
        ("(without agent)", sample.fallback_runs),
        ("(hand-offs)", sample.handoffs),
    ];
    let others = others.into_iter().filter(|(_, count)| *count > 0);
    let others = others.map(|(name, count)| [name.to_owned(), count.to_string(), String::new()]);
    let rows = counts.chain(others).map(|cells| Row::new(cells.map(Cell::from)));
    let widths = [Constraint::Length(15), Constraint::Length(9), Constraint::Length(6)];
    Table::new(rows, widths).header(bold(&["OUTCOME", "EVER", "/S"])).block(framed("transactions"))
}

fn waits(sample: &EnclaveSample) -> Table<'static> {
    let delays = occupied(&sample.delays);
    let most = delays.iter().map(|delay| delay.count).max().unwrap_or(0).max(1);
    let rows = delays.iter().map(|delay| {
        // A bucket that has any has a mark.
        let marks = (delay.count * BAR as u64).div_ceil(most) as usize;
        let from = format!("{:>8}", time(delay.from_ns));
        Row::new([from, "#".repeat(marks), delay.count.to_string()].map(Cell::from))
    });
    let widths = [Constraint::Length(8), Constraint::Length(BAR as u16), Constraint::Length(8)];
    let title = format!("queued -> running, last {}", time(sample.interval_ns));
    Table::new(rows, widths).header(bold(&["FROM", "", "THREADS"])).block(framed(&title))
}

/// From the first bucket that has any to the last, those between included.
fn occupied(delays: &[DelayCount]) -> &[DelayCount] {
    let has_any = |delay: &DelayCount| delay.count > 0;
    match (delays.iter().position(has_any), delays.iter().rposition(has_any)) {
        (Some(first), Some(last)) => &delays[first..=last],
        _ => &[],
    }
}

fn rate(per_s: f64) -> String {
    match per_s {
        10_000_000.0.. => format!("{:.1}M", per_s / 1e6),
        10_000.0.. => format!("{:.1}k", per_s / 1e3),
        _ => format!("{per_s:.0}"),
    }
}

fn bold<'a>(header: &[&'a str]) -> Row<'a> {
    let cells = header.iter().map(|cell| Cell::from(*cell));
    Row::new(cells).style(Style::new().add_modifier(Modifier::BOLD))
}

fn framed(title: &str) -> Block<'static> {
    Block::new().borders(Borders::ALL).title(format!(" {title} "))
}

#[cfg(test)]
mod tests;
