//! What Redis itself replied, word for word.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use revenant_wire::resp::{Limits, ReplyEnd};

use crate::fixture::Client;

/// Requests and replies, as they were recorded.
fn exchanges() -> Vec<(&'static str, &'static str)> {
    let mut lines = include_str!("redis-7.0.txt").lines().filter(|line| !line.starts_with('#'));
    let mut exchanges = Vec::new();
    while let Some(request) = lines.next() {
        let reply = lines.next().unwrap();
        exchanges.push((request.strip_prefix("> ").unwrap(), reply.strip_prefix("< ").unwrap()));
    }
    exchanges
}

#[test]
fn the_replies_are_those_of_redis_word_for_word() {
    let exchanges = exchanges();
    assert!(exchanges.len() > 100);
    Client::new().expect(&exchanges);
}

/// The record itself, against a redis-server 7.0 with an empty database.
#[test]
#[ignore = "needs redis-server; set REVENANT_REDIS to its Unix socket"]
fn redis_still_says_so() {
    let socket = std::env::var("REVENANT_REDIS").expect("REVENANT_REDIS is a Unix socket");
    let mut redis = UnixStream::connect(socket).unwrap();
    redis.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for (request, expected) in exchanges() {
        redis.write_all(format!("{request}\r\n").as_bytes()).unwrap();
        let (mut reply, mut end) = (Vec::new(), ReplyEnd::default());
        while end.find(&reply, &Limits::within(1 << 20)).unwrap().is_none() {
            let mut piece = [0; 4_096];
            let len = redis.read(&mut piece).unwrap();
            assert!(len > 0, "redis closed the connection after {request}");
            reply.extend_from_slice(&piece[..len]);
        }
        let reply = String::from_utf8(reply).unwrap().replace("\r\n", "|");
        assert_eq!(reply, expected, "{request}");
    }
}
