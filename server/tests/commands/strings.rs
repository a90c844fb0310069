use revenant_server::reply::Reply;
use revenant_server::request::Request;
use revenant_wire::native::{
    Flags, HEADER_LEN, Op, RequestHeader, Status, decode_reply, decode_request, encode_request,
};

use crate::fixture::Client;

#[test]
fn get_returns_what_set_wrote() {
    let mut client = Client::new();
    assert_eq!(client.ask("GET a"), "$-1|");
    assert_eq!(client.ask("SET a 'b c'"), "+OK|");
    assert_eq!(client.ask("GET a"), "$3|b c|");
}

#[test]
fn range_returns_keys_and_values_in_order() {
    let mut client = Client::new();
    for key in ["c", "a", "b"] {
        client.ask(&format!("SET {key} v{key}"));
    }
    assert_eq!(client.ask("RANGE b 10"), "*4|$1|b|$2|vb|$1|c|$2|vc|");
    assert_eq!(client.ask("RANGE '' 1"), "*2|$1|a|$2|va|");
}

#[test]
fn native_frames_reach_the_same_commands() {
    let mut client = Client::new();
    let mut ask = |op: Op, key: &str, value: &str| {
        let header = RequestHeader { op: op as u8, id: 7, ..RequestHeader::default() };
        let header = RequestHeader { flags: Flags::default(), ..header };
        let (mut bytes, mut request, mut out) = (Vec::new(), Request::default(), Vec::new());
        encode_request(&header, key.as_bytes(), value.as_bytes(), &mut bytes);
        let frame = decode_request(&bytes, 1_000).unwrap().unwrap();
        request.read_native(&bytes, &frame).unwrap();
        client.answer(&request, &mut Reply::to(&request, &mut out));
        let reply = decode_reply(&out, 1_000).unwrap().unwrap();
        assert_eq!(reply.id, 7);
        (reply.status, String::from_utf8(out[HEADER_LEN..].to_vec()).unwrap())
    };
    assert_eq!(ask(Op::Get, "a", ""), (Status::Nil, String::new()));
    assert_eq!(ask(Op::Set, "a", "b"), (Status::Ok, String::new()));
    assert_eq!(ask(Op::Get, "a", ""), (Status::Ok, "b".to_owned()));
}
