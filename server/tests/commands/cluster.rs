use revenant_server::cluster::{Cluster, Node};

use crate::fixture::Client;

fn member() -> Client {
    let node = |port, first_slot, last_slot| Node {
        host: "127.0.0.1".to_owned(),
        port,
        first_slot,
        last_slot,
    };
    let nodes = vec![node(7001, 0, 8_191), node(7002, 8_192, 16_383)];
    let mut client = Client::new();
    client.service.cluster = Some(Cluster::new(nodes, "127.0.0.1:7001").unwrap());
    client
}

#[test]
fn keys_of_another_server_are_sent_there() {
    member().expect(&[
        ("SET bar 1", "+OK|"),
        ("GET bar", "$1|1|"),
        ("GET foo", "-MOVED 12182 127.0.0.1:7002|"),
        ("MSET bar 1 foo 2", "-CROSSSLOT Keys in request don't hash to the same slot|"),
        ("MSET {bar}a 1 {bar}b foo", "+OK|"),
        ("MGET {bar}a {bar}b", "*2|$1|1|$3|foo|"),
        ("DBSIZE", ":3|"),
    ]);
}

#[test]
fn the_map_is_shown_as_clients_of_redis_cluster_read_it() {
    let mut client = member();
    client.expect(&[
        ("CLUSTER KEYSLOT foo", ":12182|"),
        ("CLUSTER SHARDS", "-ERR CLUSTER SHARDS is not served here: use CLUSTER SLOTS|"),
    ]);
    let slots = client.ask("CLUSTER SLOTS");
    assert!(slots.starts_with("*2|*3|:0|:8191|*3|$9|127.0.0.1|:7001|$40|"), "{slots}");
    let nodes = client.ask("CLUSTER NODES");
    let own = " 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-8191\n";
    let other = " 127.0.0.1:7002@17002 master - 0 0 2 connected 8192-16383\n";
    assert!(nodes.contains(own) && nodes.contains(other), "{nodes}");
    assert!(client.ask("CLUSTER INFO").contains("cluster_state:ok|"));
    assert!(client.ask("INFO cluster").contains("cluster_enabled:1"));
}

#[test]
fn a_server_alone_has_no_cluster() {
    let mut client = Client::new();
    let disabled = "-ERR This instance has cluster support disabled|";
    client.expect(&[("CLUSTER SLOTS", disabled), ("CLUSTER KEYSLOT a", disabled)]);
}
