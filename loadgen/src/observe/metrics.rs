//! Counters that a server publishes as text, as Prometheus reads them.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::Duration;

use super::ObserverError;
use crate::endpoint::Endpoint;

/// A server that takes longer is stuck, and a run must not wait for it.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Most text read.
const TEXT_MAX: u64 = 4 << 20;
/// Most counters kept.
const COUNTERS_MAX: usize = 10_000;

/// Every counter of the server at `endpoint`, by name and labels.
pub(super) fn counters(endpoint: &Endpoint) -> Result<BTreeMap<String, f64>, ObserverError> {
    let error = |reason: String| ObserverError::Text { endpoint: endpoint.clone(), reason };
    if endpoint.is_datagram() {
        return Err(error("metrics are read over a stream".to_owned()));
    }
    let text = fetch(endpoint).map_err(|failed| match failed {
        Failed::Connect(source) => ObserverError::Metrics(source),
        Failed::Read(source) => error(source.to_string()),
    })?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 200") {
        return Err(error(format!("it answers `{}`", status.chars().take(60).collect::<String>())));
    }
    Ok(parse(body))
}

enum Failed {
    Connect(crate::endpoint::EndpointError),
    Read(io::Error),
}

fn fetch(endpoint: &Endpoint) -> Result<String, Failed> {
    let mut stream = endpoint.connect().map_err(Failed::Connect)?;
    stream.set_timeout(TIMEOUT).map_err(Failed::Read)?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {endpoint}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(Failed::Read)?;
    let mut bytes = Vec::new();
    stream.take(TEXT_MAX).read_to_end(&mut bytes).map_err(Failed::Read)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Counters end in `_total`, those of histograms in `_count` and `_sum`; all others may fall, and
/// their difference means nothing.
fn parse(body: &str) -> BTreeMap<String, f64> {
    let counter = |line: &str| {
        let (name, value) = line.trim().rsplit_once(' ')?;
        let family = name.split('{').next()?;
        let rises = ["_total", "_count", "_sum"].iter().any(|end| family.ends_with(end));
        Some((name.to_owned(), value.parse().ok().filter(|_| rises)?))
    };
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(counter).take(COUNTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_carry_no_metrics() {
        let error = counters(&Endpoint::Udp("127.0.0.1:1".parse().unwrap())).unwrap_err();
        assert!(error.to_string().contains("udp://127.0.0.1:1: metrics are read"), "{error}");
    }

    #[test]
    fn only_what_can_only_rise_is_kept() {
        let body = "# HELP a b\n# TYPE a counter\nruns_total{class=\"get all\"} 12\n\
                    depth 4\nwait_sum 0.5\nbad_total x\n\nwait_count 3 \n";
        let expected =
            [("runs_total{class=\"get all\"}", 12.0), ("wait_count", 3.0), ("wait_sum", 0.5)];
        let expected: BTreeMap<String, f64> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(parse(body), expected);
    }
}
