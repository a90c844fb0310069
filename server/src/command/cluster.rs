//! CLUSTER: which server has which keys.

use std::fmt::Write as _;

use super::argument::is;
use super::{Arity, Call, Command, Outcome, unknown_subcommand};
use crate::cluster::{Cluster, Node, SLOT_COUNT, slot};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::session::Session;

pub(super) const COMMANDS: &[Command] = &[Command::session("cluster", Arity::AtLeast(2), cluster)];

/// What a node's bus for gossip would listen on; nobody listens there, as the map is static.
const BUS_PORT_OFFSET: u32 = 10_000;

fn cluster(call: &Call<'_>, _session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    let request = call.request;
    let subcommand = request.argument(1);
    let cluster = call.service.cluster.as_ref().ok_or(Failure::ClusterDisabled)?;
    if is(subcommand, "KEYSLOT") {
        call.exactly(3, "cluster|keyslot")?;
        reply.integer(i64::from(slot(request.argument(2))));
    } else if is(subcommand, "SLOTS") {
        call.exactly(2, "cluster|slots")?;
        slots(cluster, reply);
    } else if is(subcommand, "NODES") {
        call.exactly(2, "cluster|nodes")?;
        reply.bulk(nodes(cluster).as_bytes());
    } else if is(subcommand, "INFO") {
        call.exactly(2, "cluster|info")?;
        reply.bulk(info(cluster).as_bytes());
    } else if is(subcommand, "MYID") {
        call.exactly(2, "cluster|myid")?;
        reply.bulk(cluster.own().id().as_bytes());
    } else if is(subcommand, "SHARDS") {
        return Err(Failure::NoShards);
    } else {
        return Err(unknown_subcommand(request));
    }
    Ok(())
}

fn slots(cluster: &Cluster, reply: &mut Reply<'_>) {
    reply.array(cluster.nodes().len());
    for node in cluster.nodes() {
        reply.array(3);
        reply.integer(i64::from(node.first_slot));
        reply.integer(i64::from(node.last_slot));
        reply.array(3);
        reply.bulk(node.host.as_bytes());
        reply.integer(i64::from(node.port));
        reply.bulk(node.id().as_bytes());
    }
}

fn nodes(cluster: &Cluster) -> String {
    let mut text = String::new();
    for (epoch, node) in (1..).zip(cluster.nodes()) {
        let Node { host, port, first_slot, last_slot } = node;
        let myself = if node == cluster.own() { "myself," } else { "" };
        let bus_port = u32::from(*port) + BUS_PORT_OFFSET;
        let _ = writeln!(
            text,
            "{} {host}:{port}@{bus_port} {myself}master - 0 0 {epoch} connected \
             {first_slot}-{last_slot}",
            node.id(),
        );
    }
    text
}

fn info(cluster: &Cluster) -> String {
    let len = |node: &Node| u32::from(node.last_slot - node.first_slot) + 1;
    let assigned: u32 = cluster.nodes().iter().map(len).sum();
    let state = if assigned == u32::from(SLOT_COUNT) { "ok" } else { "fail" };
    let size = cluster.nodes().len();
    format!(
        "cluster_state:{state}\r\ncluster_slots_assigned:{assigned}\r\n\
         cluster_slots_ok:{assigned}\r\ncluster_known_nodes:{size}\r\ncluster_size:{size}\r\n"
    )
}
