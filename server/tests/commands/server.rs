use revenant_server::command::{Command, CommandClass, Place};

use crate::fixture::{Client, request};

#[test]
fn keys_are_counted_and_flushed() {
    Client::new().expect(&[
        ("DBSIZE", ":0|"),
        ("MSET a 1 b 2", "+OK|"),
        ("DBSIZE", ":2|"),
        ("FLUSHALL WHAT", "-ERR syntax error|"),
        ("FLUSHALL ASYNC", "+OK|"),
        ("DBSIZE", ":0|"),
    ]);
}

#[test]
fn config_shows_what_is_asked_for() {
    let mut client = Client::new();
    client.service.settings.push(("maxclients".to_owned(), "100".to_owned()));
    client.expect(&[
        ("CONFIG GET save", "*2|$4|save|$0||"),
        ("CONFIG GET MAX*", "*2|$10|maxclients|$3|100|"),
        ("CONFIG GET nothing", "*0|"),
        ("CONFIG GET appendonly maxclients", "*4|$10|appendonly|$2|no|$10|maxclients|$3|100|"),
        ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command|"),
        ("CONFIG SET a b", "-ERR unknown subcommand 'SET'. Try CONFIG HELP.|"),
    ]);
}

#[test]
fn the_dispatcher_does_not_take_on_long_lists() {
    let mut client = Client::new();
    let names = |count| vec!["get"; count].join(" ");
    assert!(client.ask(&format!("COMMAND INFO {}", names(126))).starts_with("*126|"));
    let refused = "-ERR 'command' takes at most 128 arguments|";
    assert_eq!(client.ask(&format!("COMMAND INFO {}", names(127))), refused);
}

#[test]
fn commands_are_described_as_in_redis() {
    let mut client = Client::new();
    let get = "*6|$3|get|:2|*1|+readonly|:1|:1|:1|";
    let mset = "*6|$4|mset|:-3|*1|+write|:1|:-1|:2|";
    client.expect(&[
        ("COMMAND INFO get nosuch MSET", &format!("*3|{get}$-1|{mset}")),
        ("COMMAND DOCS", "*0|"),
        ("COMMAND NoSuch", "-ERR unknown subcommand 'NoSuch'. Try COMMAND HELP.|"),
    ]);
    let count = client.ask("COMMAND COUNT").replace(':', "*");
    assert!(client.ask("COMMAND").starts_with(&count));
    assert!(client.ask("COMMAND LIST").starts_with(&count));
}

#[test]
fn info_has_sections_that_tools_read() {
    let mut client = Client::new();
    client
        .service
        .info
        .push(("Clients", Box::new(|text| text.push_str("connected_clients:1\r\n"))));
    client.ask("SET a 1");
    let info = client.ask("INFO");
    for line in [
        "|# Server|redis_version:7.0.0|",
        "|role:master|",
        "|# Clients|connected_clients:1|",
        "|cluster_enabled:0|",
        "|# Keyspace|db0:keys=1,expires=0,avg_ttl=0|",
    ] {
        assert!(info.contains(line), "{line} is missing in {info}");
    }
    assert_eq!(client.ask("INFO clients"), "$32|# Clients|connected_clients:1||");
    assert_eq!(client.ask("INFO nosuch"), "$0||");
}

#[test]
fn spin_works_and_refuses_to_do_so_for_ever() {
    Client::new().expect(&[
        ("SPIN 10", "+OK|"),
        ("SPIN -1", "-ERR value is not an integer or out of range|"),
        ("SPIN 10000001", "-ERR one request may spin for at most 10000000 microseconds|"),
    ]);
}

#[test]
fn what_takes_long_is_told_from_what_does_not() {
    let client = Client::new();
    for (line, class, place) in [
        ("PING", CommandClass::Get, Place::Session),
        ("GET a", CommandClass::Get, Place::Point),
        ("SET a 1", CommandClass::Put, Place::Point),
        ("MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 0", CommandClass::Put, Place::Point),
        (
            "DEL a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5",
            CommandClass::Put,
            Place::Point,
        ),
        (
            "DEL a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6",
            CommandClass::Put,
            Place::Worker,
        ),
        ("RANGE a 16", CommandClass::Get, Place::Worker),
        ("RANGE a 17", CommandClass::Scan, Place::Worker),
        ("SCAN 0", CommandClass::Get, Place::Worker),
        ("SCAN 0 MATCH a COUNT 17", CommandClass::Scan, Place::Worker),
        ("ZRANGEBYLEX t - +", CommandClass::Scan, Place::Worker),
        ("ZRANGEBYLEX t - + LIMIT 10 6", CommandClass::Get, Place::Worker),
        ("ZRANGEBYLEX t - + LIMIT 10 7", CommandClass::Scan, Place::Worker),
        ("SPIN 1", CommandClass::Spin, Place::Worker),
        ("FLUSHALL", CommandClass::Put, Place::Worker),
    ] {
        let request = request(line);
        let command = Command::find(&request, &client.session, &client.service).unwrap();
        assert_eq!((command.class(&request), command.place(&request)), (class, place), "{line}");
    }
    let large = request(&format!("SET a {}", "x".repeat(20_000)));
    let command = Command::find(&large, &client.session, &client.service).unwrap();
    assert_eq!(command.place(&large), Place::Worker);
}
