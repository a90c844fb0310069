//! redis-benchmark: its default list, minus what needs lists, sets, hashes, streams and sorted sets
//! (LPUSH, RPUSH, LPOP, RPOP, SADD, HSET, SPOP, ZADD, ZPOPMIN, LRANGE, XADD), which this server has
//! not.

use crate::fixture::{Server, said};

/// What is left of the default list, as the tool names it in its results.
const TESTS: [(&str, &str); 6] = [
    ("ping_inline", "PING_INLINE"),
    ("ping_mbulk", "PING_MBULK"),
    ("set", "SET"),
    ("get", "GET"),
    ("incr", "INCR"),
    ("mset", "MSET (10 keys)"),
];

fn measures_all(server: &Server, options: &[&str]) {
    let names = TESTS.map(|(name, _)| name).join(",");
    let fixed = ["-p", &server.port, "-n", "5000", "-r", "1000", "--csv", "-t", &names];
    let csv = said("redis-benchmark", &[&fixed, options].concat());
    for (_, title) in TESTS {
        let line = csv.lines().find(|line| line.starts_with(&format!("\"{title}\",")));
        let rate = line.and_then(|line| line.split(',').nth(1)?.trim_matches('"').parse().ok());
        assert!(rate > Some(0.0), "no rate of {title} in:\n{csv}");
    }
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_benchmark_measures_every_command_there_is() {
    measures_all(&Server::start(&[]), &[]);
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_benchmark_measures_pipelines() {
    measures_all(&Server::start(&[]), &["-P", "16"]);
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_benchmark_measures_commands_on_workers() {
    // The tool gives up at the first refusal, which the busiest machine shall not cause.
    let patient =
        ["--class", "get:wait=10s", "--class", "put:wait=10s", "--class", "scan:wait=10s"];
    let server = Server::start(&[&["--inline", "false"], &patient[..]].concat());
    measures_all(&server, &["-P", "4"]);
    let arguments = ["-p", &server.port, "-n", "200", "--csv", "RANGE", "key:__rand_int__", "100"];
    let csv = said("redis-benchmark", &arguments);
    assert!(csv.contains("RANGE"), "{csv}");
}
