use proptest::prelude::*;

use crate::fixture::Client;

/// All keys that a scan returns, with the cursors it took.
fn scan(client: &mut Client, options: &str, mut between: impl FnMut(&mut Client)) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let reply = client.ask(&format!("SCAN {cursor} {options}"));
        let mut parts = reply.split('|');
        assert_eq!(parts.next(), Some("*2"), "{reply}");
        cursor = parts.nth(1).unwrap().to_owned();
        let strings = parts.skip(1).collect::<Vec<_>>();
        keys.extend(strings.chunks_exact(2).map(|pair| pair[1].to_owned()));
        if cursor == "0" {
            return keys;
        }
        between(client);
    }
}

#[test]
fn a_scan_returns_every_key_once() {
    let mut client = Client::new();
    assert_eq!(client.ask("SCAN 0"), "*2|$1|0|*0|");
    let expected: Vec<_> = (0..100).map(|number| format!("key:{number:03}")).collect();
    for key in &expected {
        client.ask(&format!("SET {key} v"));
    }
    for options in ["", "COUNT 1", "COUNT 7", "COUNT 99", "COUNT 100", "COUNT 1000"] {
        assert_eq!(scan(&mut client, options, |_| ()), expected, "{options}");
    }
    let matching = scan(&mut client, "MATCH key:01? COUNT 3 TYPE string", |_| ());
    assert_eq!(matching, expected[10..20]);
    assert!(scan(&mut client, "TYPE list", |_| ()).is_empty());
}

#[test]
fn a_scan_refuses_what_it_does_not_understand() {
    Client::new().expect(&[
        ("SCAN x", "-ERR invalid cursor|"),
        ("SCAN -1", "-ERR invalid cursor|"),
        ("SCAN 0 COUNT 0", "-ERR syntax error|"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range|"),
        ("SCAN 0 COUNT", "-ERR syntax error|"),
        ("SCAN 0 WHAT 1", "-ERR syntax error|"),
    ]);
}

proptest! {
    /// Redis's promise: whatever else comes and goes, a key that stays is returned.
    #[test]
    fn a_scan_sees_every_key_that_stays(
        staying in prop::collection::btree_set(0_u8..60, 1..20),
        steps in prop::collection::vec((any::<bool>(), 0_u8..60), 0..40),
        count in 1_usize..6,
    ) {
        let mut client = Client::new();
        for key in &staying {
            client.ask(&format!("SET key:{key:02} v"));
        }
        let mut steps = steps.into_iter();
        let seen = scan(&mut client, &format!("COUNT {count}"), |client| {
            if let Some((adds, key)) = steps.next().filter(|(_, key)| !staying.contains(key)) {
                client.ask(&format!("{} key:{key:02} v", if adds { "SET" } else { "DEL" }));
            }
        });
        for key in staying {
            let key = format!("key:{key:02}");
            prop_assert!(seen.contains(&key), "{} is missing in {:?}", key, seen);
        }
    }
}

#[test]
fn range_returns_keys_and_values_in_order() {
    Client::new().expect(&[
        ("MSET c vc a va b vb", "+OK|"),
        ("RANGE b 10", "*4|$1|b|$2|vb|$1|c|$2|vc|"),
        ("RANGE '' 1", "*2|$1|a|$2|va|"),
        ("RANGE a 0", "*0|"),
        ("RANGE a -1", "-ERR value is not an integer or out of range|"),
    ]);
}

#[test]
fn a_range_by_key_keeps_its_ends_and_its_limit() {
    let mut client = Client::new();
    client.ask("MSET a 1 b 2 c 3 d 4");
    let invalid = "-ERR min or max not valid string range item|";
    client.expect(&[
        ("ZRANGEBYLEX t - +", "*4|$1|a|$1|b|$1|c|$1|d|"),
        ("ZRANGEBYLEX t [b (d", "*2|$1|b|$1|c|"),
        ("ZRANGEBYLEX t (b [d", "*2|$1|c|$1|d|"),
        ("ZRANGEBYLEX t [b + LIMIT 1 1", "*1|$1|c|"),
        ("ZRANGEBYLEX t - + LIMIT 2 -1", "*2|$1|c|$1|d|"),
        ("ZRANGEBYLEX t - + LIMIT -1 2", "*0|"),
        ("ZRANGEBYLEX t + -", "*0|"),
        ("ZRANGEBYLEX t + +", "*0|"),
        ("ZRANGEBYLEX t - -", "*0|"),
        ("ZRANGEBYLEX t [d [a", "*0|"),
        ("ZRANGEBYLEX t b +", invalid),
        ("ZRANGEBYLEX t - d", invalid),
        ("ZRANGEBYLEX t - + LIMIT 1", "-ERR syntax error|"),
    ]);
}

#[test]
fn a_long_scan_ends_when_nobody_waits_for_it() {
    let mut client = Client::new();
    for number in 0..1_000 {
        client.ask(&format!("SET {number:04} v"));
    }
    client.turn.safepoints_left.set(3);
    let expired = "-EXPIRED the deadline passed before the request was done|";
    assert_eq!(client.ask("RANGE 0 1000"), expired);
    client.turn.safepoints_left.set(3);
    assert_eq!(client.ask("SPIN 1000000"), expired);
    client.turn.safepoints_left.set(u64::MAX);
    assert!(client.ask("RANGE 0 1000").starts_with("*2000|"));
    let safepoints = u64::MAX - client.turn.safepoints_left.get();
    assert!((10..100).contains(&safepoints), "{safepoints} safepoints in 1000 keys");
}
