use crate::fixture::Client;

#[test]
fn keys_are_removed_and_looked_for() {
    Client::new().expect(&[
        ("MSET a 1 b 2", "+OK|"),
        ("EXISTS a b c a", ":3|"),
        ("TYPE a", "+string|"),
        ("TYPE c", "+none|"),
        ("DEL a a c", ":1|"),
        ("UNLINK b", ":1|"),
        ("EXISTS a b", ":0|"),
    ]);
}

#[test]
fn a_key_lives_as_long_as_it_was_told() {
    let mut client = Client::new();
    client.expect(&[
        ("SET a 1 EX 10", "+OK|"),
        ("SET b 1 PX 10500", "+OK|"),
        ("TTL a", ":10|"),
        ("PTTL b", ":10500|"),
        ("INCR a", ":2|"),
        ("APPEND b 1", ":2|"),
        ("SET c 1", "+OK|"),
        ("TTL c", ":-1|"),
        ("TTL d", ":-2|"),
    ]);
    client.turn.unix_ms.set(1_010_000);
    client.expect(&[
        ("GET a", "$-1|"),
        ("EXISTS a b", ":1|"),
        ("PTTL b", ":500|"),
        ("SET b 2 KEEPTTL", "+OK|"),
        ("RANGE a 10", "*4|$1|b|$1|2|$1|c|$1|1|"),
        ("INCR a", ":1|"),
        ("TTL a", ":-1|"),
    ]);
    client.turn.unix_ms.set(1_010_500);
    client.expect(&[("GET b", "$-1|"), ("SETNX b 1", ":1|"), ("SET a 1 EX 1", "+OK|")]);
    client.expect(&[("SET a 1", "+OK|"), ("TTL a", ":-1|")]);
}

#[test]
fn times_to_live_can_be_set_later_and_taken_back() {
    Client::new().expect(&[
        ("EXPIRE a 10", ":0|"),
        ("SET a 1", "+OK|"),
        ("EXPIRE a 10", ":1|"),
        ("TTL a", ":10|"),
        ("PEXPIRE a 1500", ":1|"),
        ("PTTL a", ":1500|"),
        ("PERSIST a", ":1|"),
        ("PERSIST a", ":0|"),
        ("TTL a", ":-1|"),
        ("EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command|"),
        ("EXPIRE a -1", ":1|"),
        ("EXISTS a", ":0|"),
    ]);
}
