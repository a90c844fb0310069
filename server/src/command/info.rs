//! INFO: what the server says of itself.

use std::fmt::Write as _;

use super::argument::is;
use super::{Call, Outcome};
use crate::reply::Reply;
use crate::service::Service;
use crate::session::Session;

/// The version of Redis whose commands and errors these are; clients decide by it what to send.
const REDIS_VERSION: &str = "7.0.0";

/// INFO [section...]: all, or those named.
pub(super) fn info(call: &Call<'_>, _session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    let is_all = |name: &[u8]| ["all", "default", "everything"].iter().any(|all| is(name, all));
    let is_asked = |title: &str| {
        let mut names = call.request.arguments_from(1);
        names.len() == 0 || names.any(|name| is(name, title) || is_all(name))
    };
    let mut text = String::new();
    let mut section = |title: &str, fill: &dyn Fn(&mut String)| {
        if is_asked(title) {
            let separator = if text.is_empty() { "" } else { "\r\n" };
            let _ = write!(text, "{separator}# {title}\r\n");
            fill(&mut text);
        }
    };
    section("Server", &|text| server(call.service, text));
    section("Replication", &|text| text.push_str("role:master\r\nconnected_slaves:0\r\n"));
    for (title, fill) in &call.service.info {
        section(title, fill);
    }
    section("Cluster", &|text| {
        let _ = write!(text, "cluster_enabled:{}\r\n", u8::from(call.service.cluster.is_some()));
    });
    let keys = call.service.keyspace.store().len()?;
    section("Keyspace", &|text| {
        if keys > 0 {
            let _ = write!(text, "db0:keys={keys},expires=0,avg_ttl=0\r\n");
        }
    });
    reply.bulk(text.as_bytes());
    Ok(())
}

fn server(service: &Service, text: &mut String) {
    let mode = if service.cluster.is_some() { "cluster" } else { "standalone" };
    let store = service.keyspace.store().name();
    let _ = write!(
        text,
        "redis_version:{REDIS_VERSION}\r\nredis_mode:{mode}\r\nrevenant_version:{}\r\n\
         store:{store}\r\nprocess_id:{}\r\nuptime_in_seconds:{}\r\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
        service.started.elapsed().as_secs(),
    );
}
