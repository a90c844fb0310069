//! nutcracker (twemproxy) in front of two servers.

use std::io::Write as _;

use crate::fixture::{Server, free_ports, listening, said};

#[test]
#[ignore = "needs nutcracker and redis-tools"]
fn nutcracker_spreads_keys_over_two_servers() {
    let (one, other) = (Server::start(&[]), Server::start(&[]));
    let [port, stats] = free_ports();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "pool:\n  listen: 127.0.0.1:{port}\n  hash: md5\n  distribution: ketama\n  \
         redis: true\n  servers:\n   - 127.0.0.1:{}:1\n   - 127.0.0.1:{}:1\n",
        one.port, other.port
    )
    .unwrap();
    let path = file.path().display().to_string();
    let _proxy = listening("nutcracker", &["-c", &path, "-s", &stats], &port);

    let through = |words: &[&str]| said("redis-cli", &[&["-p", &port], words].concat());
    for index in 0..200 {
        let (key, value) = (format!("key:{index}"), format!("value:{index}"));
        assert_eq!(through(&["SET", &key, &value]), "OK\n");
    }
    for index in (0..200).step_by(20) {
        assert_eq!(through(&["GET", &format!("key:{index}")]), format!("value:{index}\n"));
    }
    assert_eq!(through(&["MGET", "key:1", "key:2", "none"]), "value:1\nvalue:2\n\n");
    let counts = [&one, &other].map(|shard| shard.cli(&["DBSIZE"]).trim().parse::<u32>().unwrap());
    assert_eq!(counts[0] + counts[1], 200);
    assert!(counts[0] > 20 && counts[1] > 20, "{counts:?}");
}
