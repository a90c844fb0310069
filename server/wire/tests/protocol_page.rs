//! The page that describes the protocol is right: its example is decoded, its tables are compared.

use revenant_wire::native::{
    Element, Frame, HEADER_LEN, Op, ReplyHeader, RequestHeader, Status, decode_reply,
    decode_request, encode_request,
};

const PAGE: &str = include_str!("../../../docs/protocol.md");

/// The frames of the example, in order.
fn frames() -> Vec<Vec<u8>> {
    let blocks = PAGE.split("```hex\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.split_whitespace().map(byte).collect()).collect()
}

fn byte(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).unwrap()
}

#[test]
fn the_request_of_the_example_asks_for_two_keys_from_a_on() {
    let bytes = &frames()[0];
    let header = RequestHeader {
        op: Op::Range as u8,
        deadline_us: 1_000,
        id: 7,
        number: 2,
        ..RequestHeader::default()
    };
    let frame = Frame { header, key_len: 1, value_len: 0 };
    assert_eq!(decode_request(bytes, 1_000), Ok(Some(frame)));
    let mut encoded = Vec::new();
    encode_request(&header, b"a", b"", &mut encoded);
    assert_eq!(&encoded, bytes);
}

#[test]
fn the_reply_of_the_example_has_two_keys_and_their_values() {
    let bytes = &frames()[1];
    let reply = ReplyHeader {
        status: Status::Array,
        retry_after_us: 0,
        id: 7,
        number: 4,
        body_len: bytes.len() - HEADER_LEN,
    };
    assert_eq!(decode_reply(bytes, 1_000), Ok(Some(reply)));
    let mut rest = &bytes[HEADER_LEN..];
    for expected in ["a", "1", "b", ""] {
        assert_eq!(Element::take(&mut rest), Some(Element::Bulk(expected.as_bytes())));
    }
    assert!(rest.is_empty());
}

#[test]
fn the_refusal_of_the_example_says_when_to_come_back() {
    let bytes = &frames()[2];
    let reply = decode_reply(bytes, 1_000).unwrap().unwrap();
    assert_eq!((reply.status, reply.retry_after_us, reply.id), (Status::Overloaded, 250, 7));
    assert_eq!(&bytes[HEADER_LEN..], b"OVERLOADED retry-after-ms 1");
}

#[test]
fn the_tables_name_every_op_and_every_status() {
    let row = |number: u8, name: &str| PAGE.contains(&format!("| {number} | {name} |"));
    for op in Op::ALL {
        assert!(row(op as u8, &format!("{op:?}").to_lowercase()), "{op:?}");
    }
    let statuses = PAGE.split("| status | name | body |").nth(1).unwrap();
    for status in Status::ALL {
        assert!(statuses.contains(&format!("| {} | ", status as u8)), "{status:?}");
    }
}
