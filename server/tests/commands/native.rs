use revenant_server::failure::Failure;
use revenant_server::reply::Reply;
use revenant_server::request::Request;
use revenant_wire::native::{
    Element, Flags, HEADER_LEN, Op, ReplyHeader, RequestHeader, Status, decode_reply,
    decode_request, encode_request,
};

use crate::fixture::Client;

fn header(op: Op) -> RequestHeader {
    RequestHeader { op: op as u8, id: 7, ..RequestHeader::default() }
}

impl Client {
    fn send(&mut self, header: RequestHeader, key: &str, value: &str) -> (ReplyHeader, Vec<u8>) {
        let (mut bytes, mut request, mut out) = (Vec::new(), Request::default(), Vec::new());
        encode_request(&header, key.as_bytes(), value.as_bytes(), &mut bytes);
        let frame = decode_request(&bytes, 1_000).unwrap().unwrap();
        match request.read_native(&bytes, &frame) {
            Ok(()) => self.answer(&request, &mut Reply::to(&request, &mut out)),
            Err(error) => Reply::to(&request, &mut out).failure(&Failure::from(error)),
        }
        let reply = decode_reply(&out, 1_000).unwrap().unwrap();
        assert_eq!((reply.id, reply.frame_len()), (header.id, out.len()));
        (reply, out.split_off(HEADER_LEN))
    }

    fn status(&mut self, header: RequestHeader, key: &str, value: &str) -> (Status, String) {
        let (reply, body) = self.send(header, key, value);
        (reply.status, String::from_utf8(body).unwrap())
    }
}

#[test]
fn every_op_reaches_its_command() {
    let mut client = Client::new();
    let text = |text: &str| (Status::Ok, text.to_owned());
    assert_eq!(client.status(header(Op::Ping), "", ""), text("PONG"));
    assert_eq!(client.status(header(Op::Echo), "", "hi"), text("hi"));
    assert_eq!(client.status(header(Op::Get), "a", "").0, Status::Nil);
    assert_eq!(client.status(header(Op::Set), "a", "b"), text(""));
    assert_eq!(client.status(header(Op::Get), "a", ""), text("b"));
    assert_eq!(client.send(header(Op::Append), "a", "cd").0.number, 3);
    assert_eq!(client.send(header(Op::Strlen), "a", "").0.number, 3);
    assert_eq!(client.send(header(Op::Exists), "a", "").0.number, 1);
    assert_eq!(client.send(header(Op::Del), "a", "").0.number, 1);
    let incr = RequestHeader { number: -5, ..header(Op::Incr) };
    assert_eq!(client.send(incr, "n", "").0.number, -5);
    assert_eq!(client.send(header(Op::Dbsize), "", "").0.number, 1);
    let spin = RequestHeader { number: 3, ..header(Op::Spin) };
    assert_eq!(client.status(spin, "", ""), text(""));
    assert_eq!(client.status(header(Op::Auth), "", "secret").0, Status::Failed);
    assert_eq!(client.status(header(Op::Auth), "default", "secret"), text(""));
}

#[test]
fn the_flags_and_the_number_of_set_are_its_options() {
    let mut client = Client::new();
    let set = |flags, number| RequestHeader { flags, number, ..header(Op::Set) };
    assert_eq!(client.status(set(Flags::IF_PRESENT, 0), "a", "1").0, Status::Nil);
    assert_eq!(client.status(set(Flags::IF_ABSENT, 1_500), "a", "2").0, Status::Ok);
    assert_eq!(client.ask("PTTL a"), ":1500|");
    let (status, old) = client.status(set(Flags::RETURN_OLD, 0), "a", "3");
    assert_eq!((status, old.as_str()), (Status::Ok, "2"));
    assert_eq!(client.ask("PTTL a"), ":-1|");
}

#[test]
fn a_range_is_an_array_of_elements() {
    let mut client = Client::new();
    client.ask("MSET a 1 b 2");
    let range = RequestHeader { number: 9, ..header(Op::Range) };
    let (reply, body) = client.send(range, "a", "");
    assert_eq!((reply.status, reply.number), (Status::Array, 4));
    let mut rest = body.as_slice();
    for expected in ["a", "1", "b", "2"] {
        assert_eq!(Element::take(&mut rest), Some(Element::Bulk(expected.as_bytes())));
    }
    assert!(rest.is_empty());
}

#[test]
fn failures_have_types() {
    let mut client = Client::new();
    client.ask("SET a x");
    assert_eq!(client.send(header(Op::Incr), "a", "").0.status, Status::Failed);
    let unknown = RequestHeader { op: 99, ..header(Op::Get) };
    let (status, text) = client.status(unknown, "", "");
    assert_eq!((status, text.as_str()), (Status::UnknownOp, "ERR no op has number 99"));
    client.session.is_authenticated = false;
    assert_eq!(client.send(header(Op::Get), "a", "").0.status, Status::AuthRequired);
}
