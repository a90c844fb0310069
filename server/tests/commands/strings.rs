use crate::fixture::Client;

#[test]
fn get_returns_what_set_wrote() {
    Client::new().expect(&[
        ("GET a", "$-1|"),
        ("SET a 'b c'", "+OK|"),
        ("GET a", "$3|b c|"),
        ("STRLEN a", ":3|"),
        ("STRLEN b", ":0|"),
    ]);
}

#[test]
fn set_keeps_its_conditions() {
    Client::new().expect(&[
        ("SET a 1 XX", "$-1|"),
        ("SET a 1 NX", "+OK|"),
        ("SET a 2 NX", "$-1|"),
        ("GET a", "$1|1|"),
        ("SET a 3 xx", "+OK|"),
        ("SET a 4 GET", "$1|3|"),
        ("SET b 1 GET", "$-1|"),
        ("SET a 5 NX GET", "$1|4|"),
        ("GET a", "$1|4|"),
        ("SETNX a 6", ":0|"),
        ("SETNX c 6", ":1|"),
        ("SET a 1 NX NX", "$-1|"),
        ("SET a 1 NX XX", "-ERR syntax error|"),
        ("SET a 1 WHAT", "-ERR syntax error|"),
    ]);
}

#[test]
fn set_refuses_times_to_live_that_are_none() {
    let invalid = "-ERR invalid expire time in 'set' command|";
    Client::new().expect(&[
        ("SET a 1 EX 0", invalid),
        ("SET a 1 PX -1", invalid),
        ("SET a 1 EX 9223372036854775807", invalid),
        ("SET a 1 PX 9223372036854775807", invalid),
        ("SET a 1 EX x", "-ERR value is not an integer or out of range|"),
        ("SET a 1 EX", "-ERR syntax error|"),
        ("SET a 1 EX 1 PX 1", "-ERR syntax error|"),
        ("SET a 1 EX 1 KEEPTTL", "-ERR syntax error|"),
        ("EXISTS a", ":0|"),
    ]);
}

#[test]
fn several_keys_are_read_and_written_in_one_request() {
    Client::new().expect(&[
        ("MSET a 1 b 2 a 3", "+OK|"),
        ("MGET a x b", "*3|$1|3|$-1|$1|2|"),
        ("MSET a", "-ERR wrong number of arguments for 'mset' command|"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command|"),
    ]);
}

#[test]
fn numbers_are_counted_up_and_down() {
    Client::new().expect(&[
        ("INCR a", ":1|"),
        ("INCRBY a 41", ":42|"),
        ("DECR a", ":41|"),
        ("DECRBY a 50", ":-9|"),
        ("GET a", "$2|-9|"),
        ("SET a 9223372036854775807", "+OK|"),
        ("INCR a", "-ERR increment or decrement would overflow|"),
        ("DECRBY a -9223372036854775808", "-ERR decrement would overflow|"),
        ("SET a 01", "+OK|"),
        ("INCR a", "-ERR value is not an integer or out of range|"),
        ("INCRBY b x", "-ERR value is not an integer or out of range|"),
        ("EXISTS b", ":0|"),
    ]);
}

#[test]
fn append_makes_values_longer_up_to_the_bound() {
    let mut client = Client::new();
    client.service.value_max = 6;
    client.expect(&[
        ("APPEND a abc", ":3|"),
        ("APPEND a def", ":6|"),
        ("APPEND a g", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)|"),
        ("SET b 1234567", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)|"),
        ("GET a", "$6|abcdef|"),
    ]);
}

#[test]
fn replies_are_bounded() {
    let mut client = Client::new();
    client.service.reply_max = 100;
    client.ask(&format!("SET a {}", "x".repeat(60)));
    let refused = "-ERR the reply would exceed 100 bytes: ask for less at a time|";
    client.expect(&[("MGET a a", refused)]);
    client.ask("SET b y");
    client.ask(&format!("SET c {}", "x".repeat(60)));
    assert_eq!(client.ask("RANGE a 3"), refused);
    assert!(client.ask("RANGE b 1").starts_with("*2|"));
}
