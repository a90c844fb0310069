use super::*;

#[test]
fn a_request_is_read_as_it_was_written() {
    let header = RequestHeader {
        op: Op::Range as u8,
        class: 3,
        deadline_us: 1_000,
        id: u64::MAX - 1,
        number: -7,
        flags: Flags::IF_ABSENT,
    };
    let mut bytes = Vec::new();
    encode_request(&header, b"key", b"value", &mut bytes);
    let frame = Frame { header, key_len: 3, value_len: 5 };
    assert_eq!(decode_request(&bytes, 100), Ok(Some(frame)));
    assert_eq!(&bytes[HEADER_LEN..], b"keyvalue");
    for len in 0..bytes.len() {
        assert_eq!(decode_request(&bytes[..len], 100), Ok(None), "{len}");
    }
}

#[test]
fn what_is_no_frame_is_refused_as_soon_as_it_shows() {
    assert_eq!(decode_request(b"*", 100), Err(FrameError::Magic(b'*')));
    assert_eq!(decode_request(&[MAGIC, 2], 100), Err(FrameError::Version(2)));
    let mut bytes = Vec::new();
    encode_request(&RequestHeader::default(), b"", &[0; 69], &mut bytes);
    let refusal = Err(FrameError::TooLarge { len: 101, frame_max: 100 });
    assert_eq!(decode_request(&bytes[..HEADER_LEN], 100), refusal);
    bytes[31] = 9;
    assert_eq!(decode_request(&bytes, 200), Err(FrameError::Reserved { at: 31, byte: 9 }));
}

#[test]
fn a_reply_is_read_as_it_was_written() {
    for status in Status::ALL {
        let reply =
            ReplyHeader { status, retry_after_us: 250, id: 42, number: i64::MIN, body_len: 2 };
        let mut bytes = reply.encode().to_vec();
        assert_eq!(decode_reply(&bytes, 100), Ok(None));
        bytes.extend_from_slice(b"ab");
        assert_eq!(decode_reply(&bytes, 100), Ok(Some(reply)));
    }
}

#[test]
fn elements_are_read_as_they_were_written() {
    let elements = [
        Element::Array(2),
        Element::Bulk(b"a"),
        Element::Nil,
        Element::Integer(-1),
        Element::Bulk(b""),
    ];
    let mut body = Vec::new();
    for element in elements {
        encode_element(element, &mut body);
    }
    let mut rest = body.as_slice();
    for element in elements {
        assert_eq!(Element::take(&mut rest), Some(element));
    }
    assert_eq!(Element::take(&mut rest), None);
    assert_eq!(Element::take(&mut &body[..body.len() - 2][16..]), None, "cut short");
}

#[test]
fn every_op_and_status_has_its_number() {
    for (number, op) in Op::ALL.into_iter().enumerate() {
        assert_eq!((Op::try_from(op as u8), op as usize), (Ok(op), number));
    }
    assert_eq!(Op::try_from(13), Err(UnknownOp(13)));
    assert_eq!(Status::try_from(4), Err(UnknownStatus(4)));
}
