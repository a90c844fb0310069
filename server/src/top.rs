//! `revenant-server top`: a server's metrics as a table that refreshes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use revenant_server::command::CommandClass;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the server serves its metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9121")]
    metrics: SocketAddr,
    /// Show it once: totals since the server started
    #[arg(long)]
    once: bool,
    /// As JSON, a line each time
    #[arg(long)]
    json: bool,
    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s")]
    every: revenant_server::config::Text<revenant_server::config::Span>,
}

/// Metrics by name with labels.
type Sample = BTreeMap<String, f64>;

pub(crate) fn top(options: &Options) -> anyhow::Result<()> {
    let mut before = Sample::new();
    let mut stdout = std::io::stdout();
    loop {
        let sample = fetch(options.metrics)?;
        let text = if options.json {
            format!("{}\n", serde_json::to_string(&sample)?)
        } else {
            let clear = if options.once { "" } else { "\x1b[H\x1b[2J" };
            let seconds =
                if before.is_empty() { None } else { Some(options.every.0.as_secs_f64()) };
            format!("{clear}{}", table(&sample, &before, seconds))
        };
        if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            // Whoever read it has seen enough.
            return Ok(());
        }
        if options.once {
            return Ok(());
        }
        before = sample;
        std::thread::sleep(options.every.0);
    }
}

fn fetch(address: SocketAddr) -> anyhow::Result<Sample> {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().with_context(|| {
        format!("no metrics at {address}: start the server with --metrics {address}")
    })?;
    let Some((head, page)) = answer.split_once("\r\n\r\n") else {
        bail!("{address} does not speak HTTP");
    };
    if !head.starts_with("HTTP/1.0 200") {
        bail!("{address} answered `{}`", head.lines().next().unwrap_or_default());
    }
    Ok(parse(page))
}

fn parse(page: &str) -> Sample {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.strip_prefix("revenant_").unwrap_or(name).to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// The table: numbers since `before` by the second, or totals if there is no before.
fn table(sample: &Sample, before: &Sample, seconds: Option<f64>) -> String {
    let now = |name: &str| sample.get(name).copied().unwrap_or(0.0);
    let rate = |name: &str| {
        let earlier = before.get(name).copied().unwrap_or(0.0);
        seconds.map_or(now(name), |seconds| (now(name) - earlier) / seconds)
    };
    let unit = if seconds.is_some() { "/s" } else { " in all" };
    let at = |place: &str| rate(&format!("requests_total{{where=\"{place}\"}}"));
    let mut out = format!(
        "clients {}   received {:.0} B{unit}   sent {:.0} B{unit}\n\
         requests{unit}: session {:.0}   inline {:.0}   worker {:.0}\n\n\
         class   under way  window   done{unit:<7} refused{unit:<7}  queued p99 us  total p99 us\n",
        now("clients"),
        rate("received_bytes_total"),
        rate("sent_bytes_total"),
        at("session"),
        at("inline"),
        at("worker"),
    );
    for class in CommandClass::ALL.map(CommandClass::name) {
        let labelled = |name: &str| format!("{name}{{class=\"{class}\"}}");
        let p99_us = |stage: &str| {
            let labels = format!("class=\"{class}\",stage=\"{stage}\",quantile=\"0.99\"");
            now(&format!("worker_seconds{{{labels}}}")) * 1e6
        };
        let done = rate(&format!("worker_requests_total{{class=\"{class}\",fate=\"completed\"}}"));
        let refused: f64 = sample
            .keys()
            .filter(|name| name.starts_with(&format!("refused_total{{class=\"{class}\"")))
            .map(|name| rate(name))
            .sum();
        out += &format!(
            "{class:<6} {:>10.0} {:>7.0} {done:>11.0} {refused:>14.0} {:>14.0} {:>13.0}\n",
            now(&labelled("in_flight")),
            now(&labelled("window")),
            p99_us("queued"),
            p99_us("total"),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP revenant_clients x\nrevenant_clients 3\n\
                        revenant_requests_total{where=\"inline\"} 50\n";

    #[test]
    fn a_table_shows_totals_first_and_rates_later() {
        let sample = parse(PAGE);
        assert_eq!(sample["clients"], 3.0);
        assert!(table(&sample, &Sample::new(), None).contains("inline 50 "));
        let before = parse("revenant_requests_total{where=\"inline\"} 30\n");
        assert!(table(&sample, &before, Some(2.0)).contains("inline 10 "));
    }
}
