//! What must hold for any bytes. The fuzzer and the tests run the same.

// Each target of the fuzzer uses one of these.
#![allow(dead_code, reason = "one body a target")]

use std::ops::Range;

use revenant_wire::native::{self, Element, HEADER_LEN};
use revenant_wire::resp::{
    Limits, ProtocolError, ReplyEnd, Value, decode_reply, decode_request, encode_command, unquote,
};

const LIMITS: Limits = Limits { inline_max: 512, ..Limits::within(4_096) };

/// A server that gets the bytes one at a time sees the same requests, then the same error.
pub(crate) fn resp_request(bytes: &[u8]) {
    let whole = requests(bytes, bytes.len().max(1));
    assert_eq!(whole, requests(bytes, 1));
    for words in &whole.0 {
        let (mut encoded, mut arguments) = (Vec::new(), Vec::new());
        encode_command(words, &mut encoded);
        let decoded = decode_request(&encoded, &Limits::within(usize::MAX / 2), &mut arguments);
        assert_eq!(decoded, Ok(Some(encoded.len())));
        let again: Vec<_> = arguments.into_iter().map(|range| encoded[range].to_vec()).collect();
        assert_eq!(&again, words);
    }
}

type Words = Vec<Vec<u8>>;

/// The requests in `bytes` as they arrive in steps, and the error that ended them.
fn requests(bytes: &[u8], step: usize) -> (Vec<Words>, Option<ProtocolError>) {
    let (mut begin, mut seen, mut found) = (0, 0, Vec::new());
    let mut arguments: Vec<Range<usize>> = Vec::new();
    loop {
        match decode_request(&bytes[begin..seen], &LIMITS, &mut arguments) {
            Ok(Some(end)) => {
                let mut frame = bytes[begin..begin + end].to_vec();
                unquote(&mut frame, &mut arguments);
                found.push(arguments.drain(..).map(|range| frame[range].to_vec()).collect());
                begin += end;
            }
            Ok(None) if seen < bytes.len() => seen = bytes.len().min(seen + step),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error)),
        }
    }
}

/// Both ways to read replies agree about where they end.
pub(crate) fn resp_reply(bytes: &[u8]) {
    let decoded = decode_reply(bytes, &LIMITS);
    let mut end = ReplyEnd::default();
    let mut found = Ok(None);
    for seen in 0..=bytes.len() {
        found = end.find(&bytes[..seen], &LIMITS);
        if found != Ok(None) {
            break;
        }
    }
    match (decoded, found) {
        (Ok(Some((value, end))), Ok(found)) => {
            assert_eq!(Some(end), found);
            check_value(&value, bytes);
        }
        (Ok(None), Ok(found)) => assert_eq!(found, None),
        // The one knows depths, the other sizes.
        (Err(ProtocolError::TooDeep), _) | (_, Err(ProtocolError::FrameTooBig { .. })) => {}
        (Err(error), found) => assert_eq!(Err(error), found.map(|_| ())),
        (Ok(_), Err(error)) => panic!("{error}"),
    }
}

fn check_value(value: &Value<'_>, bytes: &[u8]) {
    match value {
        Value::Simple(text) | Value::Error(text) | Value::Bulk(text) => {
            assert!(text.len() <= bytes.len());
        }
        Value::Integer(_) | Value::Nil => {}
        Value::Array(values) => values.iter().for_each(|value| check_value(value, bytes)),
    }
}

/// A frame that was understood is written the same way again.
pub(crate) fn native(bytes: &[u8]) {
    if let Ok(Some(frame)) = native::decode_request(bytes, 4_096) {
        let (key, value) = bytes[HEADER_LEN..frame.len()].split_at(frame.key_len);
        let mut encoded = Vec::new();
        native::encode_request(&frame.header, key, value, &mut encoded);
        assert_eq!(encoded, bytes[..frame.len()]);
    }
    if let Ok(Some(reply)) = native::decode_reply(bytes, 4_096) {
        assert_eq!(reply.encode(), bytes[..HEADER_LEN]);
        let mut body = &bytes[HEADER_LEN..reply.frame_len()];
        let mut encoded = Vec::new();
        let whole = body;
        while let Some(element) = Element::take(&mut body) {
            native::encode_element(element, &mut encoded);
        }
        assert_eq!(encoded, whole[..whole.len() - body.len()]);
    }
}
