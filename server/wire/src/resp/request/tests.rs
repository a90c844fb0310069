use proptest::prelude::*;

use super::super::{encode_command, unquote};
use super::*;

const LIMITS: Limits = Limits::within(1_000);

type Words = Vec<Vec<u8>>;

fn decode(bytes: &[u8]) -> Result<Option<(Words, usize)>, ProtocolError> {
    let mut arguments = Vec::new();
    let end = decode_request(bytes, &LIMITS, &mut arguments)?;
    let mut frame = bytes.to_vec();
    unquote(&mut frame, &mut arguments);
    let words = arguments.into_iter().map(|argument| frame[argument].to_vec()).collect();
    Ok(end.map(|end| (words, end)))
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn inline_requests_are_words_with_quotes() {
    for (line, expected) in [
        ("PING\r\n", words(&["PING"])),
        ("  set  a\tb \n", words(&["set", "a", "b"])),
        ("\r\n", words(&[])),
        ("a \"b c\" 'd e'\r\n", words(&["a", "b c", "d e"])),
        ("a\"b c\"\n", words(&["ab c"])),
        ("\"\" ''\n", words(&["", ""])),
    ] {
        assert_eq!(decode(line.as_bytes()), Ok(Some((expected, line.len()))), "{line:?}");
    }
    let line = "a \"\\x41\\n\\\"\\q\" 'it\\'s \\n'\n";
    let expected = words(&["a", "A\n\"q", "it's \\n"]);
    assert_eq!(decode(line.as_bytes()), Ok(Some((expected, line.len()))));
}

#[test]
fn errors_have_the_texts_of_redis() {
    let long_line = "x".repeat(Limits::INLINE_MAX);
    for (bytes, expected) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*1048577\r\n", "invalid multibulk length"),
        ("*1\r\n:", "expected '$', got ':'"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$1001\r\n", "invalid bulk length"),
        ("*1\r\n$3\r\nabcde", "expected CRLF"),
        ("*11111111111111111111111111111111111", "too big mbulk count string"),
        ("*1\r\n$11111111111111111111111111111111111", "too big bulk count string"),
        ("a \"b\n", "unbalanced quotes in request"),
        ("a \"b\"c\n", "unbalanced quotes in request"),
        (&long_line, "too big inline request"),
    ] {
        let error = decode(bytes.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, format!("Protocol error: {expected}"), "{bytes:.40}");
    }
}

#[test]
fn strangers_may_send_little() {
    let limits = Limits::unauthenticated();
    let decode = |bytes: &[u8]| decode_request(bytes, &limits, &mut Vec::new());
    assert_eq!(decode(b"*11\r\n"), Err(ProtocolError::UnauthenticatedCount));
    assert_eq!(decode(b"*1\r\n$16385\r\n"), Err(ProtocolError::UnauthenticatedLength));
}

#[test]
fn requests_for_nothing_are_passed_over() {
    for bytes in ["*0\r\n", "*-1\r\n", "\n"] {
        assert_eq!(decode(bytes.as_bytes()), Ok(Some((words(&[]), bytes.len()))));
    }
}

#[test]
fn a_frame_is_bounded_as_a_whole() {
    let mut bytes = Vec::new();
    encode_command(&["x".repeat(600), "y".repeat(600)], &mut bytes);
    assert_eq!(decode(&bytes), Err(ProtocolError::FrameTooBig { frame_max: 1_000 }));
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
    ) {
        let mut bytes = Vec::new();
        encode_command(&words, &mut bytes);
        let end = bytes.len();
        bytes.extend_from_slice(b"*1\r\n");
        prop_assert_eq!(decode(&bytes), Ok(Some((words, end))));
    }

    /// However the bytes are cut, the frames are the same, and none is seen before its last byte.
    #[test]
    fn pieces_make_the_same_requests_as_the_whole(
        requests in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 1..5), 1..5),
        cuts in prop::collection::vec(1_usize..9, 1..40),
    ) {
        let mut stream = Vec::new();
        for request in &requests {
            encode_command(request, &mut stream);
        }
        let (mut begin, mut seen) = (0, 0);
        let (mut arguments, mut found) = (Vec::new(), Vec::new());
        let mut cuts = cuts.iter().cycle();
        while begin < stream.len() {
            let window = &stream[begin..seen];
            match decode_request(window, &LIMITS, &mut arguments).unwrap() {
                Some(end) => {
                    let request: Words =
                        arguments.drain(..).map(|range| window[range].to_vec()).collect();
                    found.push(request);
                    begin += end;
                }
                None => seen = stream.len().min(seen + cuts.next().unwrap()),
            }
        }
        prop_assert_eq!(found, requests);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        bytes in prop::collection::vec(prop::sample::select(&b"*$0123-\r\n\"'\\ xaA"[..]), 0..60),
    ) {
        let _ = decode(&bytes);
    }
}
