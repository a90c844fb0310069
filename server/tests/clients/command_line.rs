//! redis-cli.

use crate::fixture::{Server, said_to};

#[test]
#[ignore = "needs redis-tools"]
fn redis_cli_reads_and_writes_keys() {
    let server = Server::start(&[]);
    assert_eq!(server.cli(&["PING"]), "PONG\n");
    assert_eq!(server.cli(&["SET", "key", "a value"]), "OK\n");
    assert_eq!(server.cli(&["GET", "key"]), "a value\n");
    assert_eq!(server.cli(&["SET", "key", "other", "NX"]), "\n");
    assert_eq!(server.cli(&["INCR", "count"]), "1\n");
    assert_eq!(server.cli(&["DBSIZE"]), "2\n");
    assert!(server.cli(&["INFO"]).contains("# Server"), "{}", server.cli(&["INFO"]));
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_cli_shows_errors_in_the_words_of_redis() {
    let server = Server::start(&[]);
    server.cli(&["SET", "key", "text"]);
    let errors = [
        (&["INCR", "key"][..], "ERR value is not an integer or out of range"),
        (&["GET"][..], "ERR wrong number of arguments for 'get' command"),
        (&["LPUSH", "list", "x"][..], "ERR unknown command 'LPUSH', with args beginning with:"),
        (&["SET", "key", "v", "EX", "0"][..], "ERR invalid expire time in 'set' command"),
    ];
    for (command, error) in errors {
        let shown = server.cli(command);
        assert!(shown.starts_with(error), "{command:?}: {shown}");
    }
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_cli_scans_all_keys_that_match() {
    let server = Server::start(&[]);
    for index in 0..300 {
        server.cli(&["SET", &format!("{}:{index}", ["odd", "even"][index % 2]), "v"]);
    }
    let scanned = server.cli(&["--scan", "--pattern", "even:*"]);
    let mut keys: Vec<&str> = scanned.lines().collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 150, "{scanned}");
    assert!(keys.iter().all(|key| key.starts_with("even:")));
}

#[test]
#[ignore = "needs redis-tools"]
fn redis_cli_inserts_in_bulk() {
    let server = Server::start(&[]);
    let commands: String = (0..5_000).map(|i| format!("SET key:{i} value:{i}\r\n")).collect();
    let said = said_to("redis-cli", &["-p", &server.port, "--pipe"], commands.as_bytes());
    assert!(said.contains("errors: 0, replies: 5000"), "{said}");
    assert_eq!(server.cli(&["GET", "key:4999"]), "value:4999\n");
}
