//! Two servers that share the slots of a cluster, and clients that find the right one.

use crate::fixture::{Server, free_ports, python, said};

fn pair() -> [Server; 2] {
    let ports: [String; 2] = free_ports();
    let slots =
        [format!("127.0.0.1:{}=0-8191", ports[0]), format!("127.0.0.1:{}=8192-16383", ports[1])];
    let flags = ["--cluster", &slots[0], "--cluster", &slots[1]];
    [Server::start_at(&ports[0], &flags), Server::start_at(&ports[1], &flags)]
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_cli_follows_keys_to_their_server() {
    let [one, other] = pair();
    // Slots 12182 and 5061.
    let moved = one.cli(&["SET", "foo", "1"]);
    assert!(moved.starts_with(&format!("MOVED 12182 127.0.0.1:{}", other.port)), "{moved}");
    for key in ["foo", "bar"] {
        assert!(one.cli(&["-c", "SET", key, key]).contains("OK"));
        assert!(other.cli(&["-c", "GET", key]).contains(key));
    }
    assert_eq!(one.cli(&["DBSIZE"]), "1\n");
    assert_eq!(other.cli(&["CLUSTER", "KEYSLOT", "{bar}.x"]), "5061\n");
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_benchmark_drives_a_cluster() {
    let [one, other] = pair();
    let arguments = ["-p", &one.port, "--cluster", "-n", "4000", "-r", "1000", "-t", "set,get"];
    let said = said("redis-benchmark", &arguments);
    assert!(said.contains("SET") && said.contains("requests per second"), "{said}");
    for server in [&one, &other] {
        assert_ne!(server.cli(&["DBSIZE"]), "0\n");
    }
}

#[test]
#[ignore = "needs python3-redis"]
fn redis_py_drives_a_cluster() {
    let [one, other] = pair();
    let script = "
import sys
from redis.cluster import RedisCluster
r = RedisCluster(host='127.0.0.1', port=int(sys.argv[1]))
for i in range(100):
    assert r.set(f'key:{i}', i)
assert [r.get(f'key:{i}') for i in range(100)] == [b'%d' % i for i in range(100)]
assert r.mget('{t}a', '{t}b') == [None, None]
print('done')";
    assert_eq!(python(script, &[&one.port]), "done\n");
    let counts = [&one, &other].map(|shard| shard.cli(&["DBSIZE"]).trim().parse::<u32>().unwrap());
    assert_eq!(counts[0] + counts[1], 100);
}
