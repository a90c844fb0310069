use proptest::prelude::*;

use super::super::{
    encode_array, encode_bulk, encode_error, encode_integer, encode_nil, encode_simple,
};
use super::*;

const LIMITS: Limits = Limits::within(100_000);

/// A reply of its own, for strategies.
#[derive(Clone, Debug)]
enum Sent {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Self>),
}

impl Sent {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => encode_simple(text, out),
            Self::Error(text) => encode_error(text, out),
            Self::Integer(number) => encode_integer(*number, out),
            Self::Bulk(bytes) => encode_bulk(bytes, out),
            Self::Nil => encode_nil(out),
            Self::Array(values) => {
                encode_array(values.len(), out);
                values.iter().for_each(|value| value.encode(out));
            }
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Simple(text) => Value::Simple(text.as_bytes()),
            Self::Error(text) => Value::Error(text.as_bytes()),
            Self::Integer(number) => Value::Integer(*number),
            Self::Bulk(bytes) => Value::Bulk(bytes),
            Self::Nil => Value::Nil,
            Self::Array(values) => Value::Array(values.iter().map(Self::value).collect()),
        }
    }
}

fn replies() -> impl Strategy<Value = Sent> {
    let leaf = prop_oneof![
        "[ -~]{0,12}".prop_map(Sent::Simple),
        "[ -~]{0,12}".prop_map(Sent::Error),
        any::<i64>().prop_map(Sent::Integer),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Sent::Bulk),
        Just(Sent::Nil),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| prop::collection::vec(inner, 0..5).prop_map(Sent::Array))
}

proptest! {
    #[test]
    fn a_reply_is_read_as_it_was_written(sent in replies()) {
        let mut bytes = Vec::new();
        sent.encode(&mut bytes);
        let len = bytes.len();
        prop_assert_eq!(decode_reply(&bytes, &LIMITS), Ok(Some((sent.value(), len))));
        for seen in 0..len {
            prop_assert_eq!(decode_reply(&bytes[..seen], &LIMITS), Ok(None));
        }
    }

    #[test]
    fn the_end_of_a_reply_is_found_however_it_is_cut(
        sent in prop::collection::vec(replies(), 1..4),
        step in 1_usize..7,
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for reply in &sent {
            let begin = bytes.len();
            reply.encode(&mut bytes);
            expected.push(bytes.len() - begin);
        }
        let (mut begin, mut seen, mut found) = (0, 0, Vec::new());
        let mut end = ReplyEnd::default();
        while begin < bytes.len() {
            match end.find(&bytes[begin..seen], &LIMITS).unwrap() {
                Some(length) => {
                    found.push(length);
                    begin += length;
                }
                None => seen = bytes.len().min(seen + step),
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        bytes in prop::collection::vec(prop::sample::select(&b"*$+:-0123\r\na"[..]), 0..60),
    ) {
        let _ = decode_reply(&bytes, &LIMITS);
        let _ = ReplyEnd::default().find(&bytes, &LIMITS);
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    let deep = "*1\r\n".repeat(DEPTH_MAX + 1);
    for (bytes, expected) in [
        ("?\r\n", ProtocolError::UnknownType(b'?')),
        (":x\r\n", ProtocolError::InvalidLine),
        ("$100001\r\n", ProtocolError::InvalidLength),
        ("*1048577\r\n", ProtocolError::InvalidCount),
        ("$1\r\nabc", ProtocolError::ExpectedEnd),
        (&deep, ProtocolError::TooDeep),
    ] {
        assert_eq!(decode_reply(bytes.as_bytes(), &LIMITS), Err(expected), "{bytes}");
    }
}

#[test]
fn line_breaks_do_not_end_an_error_early() {
    let mut bytes = Vec::new();
    encode_error("ERR a\r\nb", &mut bytes);
    assert_eq!(bytes, b"-ERR a  b\r\n");
}
