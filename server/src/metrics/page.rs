//! The page: names, what they mean, values.

use std::fmt::{Display, Write};

use revenant::stats::{ClassStats, Stats};

use crate::command::CommandClass;
use crate::connection::Ending;
use crate::counters::{Counter, Counters, Refusal, Stage};

/// Quantiles of the stages of requests on workers.
const QUANTILES: [(&str, f64); 4] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)];

/// A page under way.
struct Page(String);

impl Page {
    /// Begins a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP revenant_{name} {help}\n# TYPE revenant_{name} {kind}\n");
    }

    /// A value of it; `labels` are whole, with their quotes.
    fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "revenant_{name} {value}"),
            _ => writeln!(self.0, "revenant_{name}{{{labels}}} {value}"),
        };
    }

    /// A metric with one value.
    fn single(&mut self, name: &str, kind: &str, (help, counter): (&str, &Counter)) {
        self.metric(name, kind, help);
        self.value(name, "", counter.get());
    }
}

/// Everything the server tells.
pub(super) fn page(counters: &Counters, stats: &Stats) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    network(&mut page, counters);
    admission(&mut page, counters);
    requests(&mut page, counters, stats);
    scheduling(&mut page, stats);
    page.0
}

fn network(page: &mut Page, counters: &Counters) {
    page.single("clients", "gauge", ("Connections there are.", &counters.clients));
    let buffered = ("Bytes in the buffers of all connections.", &counters.buffered_bytes);
    page.single("buffered_bytes", "gauge", buffered);
    let accepted = ("Connections there were.", &counters.accepted);
    page.single("clients_accepted_total", "counter", accepted);
    let failed = ("Clients for whom there was no descriptor.", &counters.accept_failures);
    page.single("accept_failures_total", "counter", failed);
    page.metric("connections_ended_total", "counter", "Connections that ended, by reason.");
    for ending in Ending::ALL {
        let labels = format!("why=\"{}\"", ending.name());
        let count = counters.endings[ending as usize].get();
        page.value("connections_ended_total", &labels, count);
    }
    for (name, help, counter) in [
        ("received_bytes_total", "Bytes received over connections.", &counters.bytes_in),
        ("sent_bytes_total", "Bytes sent over connections.", &counters.bytes_out),
        ("datagrams_received_total", "Datagrams received.", &counters.datagrams_in),
        (
            "datagrams_dropped_total",
            "Datagrams that found the socket's buffer full.",
            &counters.datagrams_dropped,
        ),
        ("datagrams_bad_total", "Datagrams without a request.", &counters.datagrams_bad),
        ("datagrams_lost_total", "Replies the socket did not take.", &counters.datagrams_lost),
        ("replies_lost_total", "Replies whose client had gone.", &counters.replies_lost),
    ] {
        page.single(name, "counter", (help, counter));
    }
}

fn admission(page: &mut Page, counters: &Counters) {
    page.metric("refused_total", "counter", "Requests turned away, by class and reason.");
    for class in CommandClass::ALL {
        for refusal in Refusal::ALL {
            let labels = format!("class=\"{}\",why=\"{}\"", class.name(), refusal.name());
            let count = counters.refusals[class.index()][refusal as usize].get();
            page.value("refused_total", &labels, count);
        }
    }
    for (name, help, values) in [
        ("in_flight", "Requests under way on workers, by class.", &counters.in_flight),
        ("window", "Requests that may be under way, by class.", &counters.window),
    ] {
        page.metric(name, "gauge", help);
        for class in CommandClass::ALL {
            let labels = format!("class=\"{}\"", class.name());
            page.value(name, &labels, values[class.index()].get());
        }
    }
}

fn requests(page: &mut Page, counters: &Counters, stats: &Stats) {
    page.metric("requests_total", "counter", "Requests begun, by where they are executed.");
    for stage in Stage::ALL {
        let labels = format!("where=\"{}\"", stage.name());
        page.value("requests_total", &labels, counters.requests[stage as usize].get());
    }
    page.metric("worker_requests_total", "counter", "Requests on workers, by class and fate.");
    for class in &stats.classes {
        let counts = &class.counts;
        for (fate, count) in [
            ("completed", counts.completed),
            ("panicked", counts.panicked),
            ("cancelled", counts.cancelled),
            ("expired", counts.expired),
        ] {
            let labels = format!("class=\"{}\",fate=\"{fate}\"", class.name);
            page.value("worker_requests_total", &labels, count);
        }
    }
    page.metric(
        "worker_seconds",
        "summary",
        "Time of requests on workers, by class and stage: queued, on_cpu, total.",
    );
    stats.classes.iter().for_each(|class| stages(page, class));
}

fn stages(page: &mut Page, class: &ClassStats) {
    let stages = &class.stages;
    for (stage, times) in
        [("queued", &stages.queued), ("on_cpu", &stages.on_cpu), ("total", &stages.total)]
    {
        let labels = format!("class=\"{}\",stage=\"{stage}\"", class.name);
        for (name, quantile) in QUANTILES {
            let seconds = times.value_at_quantile(quantile) as f64 / 1e9;
            page.value("worker_seconds", &format!("{labels},quantile=\"{name}\""), seconds);
        }
        let sum = times.mean() * times.len() as f64 / 1e9;
        page.value("worker_seconds_sum", &labels, sum);
        page.value("worker_seconds_count", &labels, times.len());
    }
}

fn scheduling(page: &mut Page, stats: &Stats) {
    let threads = &stats.threads;
    page.metric("preemptions_total", "counter", "Requests that lost their CPU, by how.");
    page.value("preemptions_total", "how=\"safepoint\"", threads.preempted_by_safepoint);
    page.value("preemptions_total", "how=\"signal\"", threads.preempted_by_signal);
    for (name, help, value) in [
        ("fallbacks_total", "Times the kernel took over scheduling.", threads.fallbacks),
        ("agent_turns_total", "Turns of the agent.", stats.agent.turns),
        ("agent_messages_total", "Messages the agent has read.", stats.agent.messages),
    ] {
        page.metric(name, "counter", help);
        page.value(name, "", value);
    }
    page.metric("orphaned", "gauge", "1 while no agent schedules.");
    page.value("orphaned", "", u8::from(stats.is_orphaned));
}
