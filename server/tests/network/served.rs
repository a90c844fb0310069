//! What clients get.

use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::unix::net::UnixStream;

use revenant_wire::native::{RequestHeader, Status, decode_reply, encode_request};

use crate::fixture::{PATIENCE, Server, ping, spin, wait_until};

crate::on_both!(
    requests_of_one_connection_are_answered_in_order,
    a_request_that_comes_byte_by_byte_is_answered,
    native_requests_overtake_each_other,
    a_client_that_closed_its_side_gets_all_replies,
    many_clients_are_served_at_once,
    large_values_come_back_whole,
    a_unix_socket_serves_like_tcp,
    datagrams_are_answered_and_bad_ones_counted,
    datagrams_without_room_are_counted,
    both_protocols_share_a_port,
    without_inline_execution_everything_is_the_same,
    a_dispatcher_that_sleeps_is_woken_by_sockets_and_by_workers,
    expired_keys_go_without_being_asked_for,
);

fn requests_of_one_connection_are_answered_in_order(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    // One on the dispatcher, one on a worker, over and over, in one piece.
    let rounds = 30;
    let requests = "SET a 1\r\nSPIN 50\r\nINCR a\r\nSCAN 0 COUNT 1\r\nDEL a\r\n".repeat(rounds);
    let replies = "+OK\r\n+OK\r\n:2\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n:1\r\n".repeat(rounds);
    let mut sender = client.stream.try_clone().unwrap();
    let thread = std::thread::spawn(move || sender.write_all(requests.as_bytes()).unwrap());
    client.expect(&replies);
    thread.join().unwrap();
}

fn a_request_that_comes_byte_by_byte_is_answered(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n" {
        client.send([*byte]);
    }
    client.expect("+OK\r\n$5\r\nhello\r\n");
}

fn native_requests_overtake_each_other(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    client.send_native(&spin(1, 100_000), b"");
    client.send_native(&ping(2), b"");
    assert_eq!(client.receive_native().0.id, 2, "the quick one waits for the slow one");
    let (reply, _) = client.receive_native();
    assert_eq!((reply.id, reply.status), (1, Status::Ok));
}

fn a_client_that_closed_its_side_gets_all_replies(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    client.send("PING\r\nSPIN 20000\r\nPING\r\nPI");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "+PONG\r\n+OK\r\n+PONG\r\n");
    wait_until("it is counted", || server.ended("client_left") == 1.0);
}

fn many_clients_are_served_at_once(io: &str) {
    let server = Server::start(io, &[]);
    let mut clients: Vec<_> = (0..300).map(|_| server.client()).collect();
    for round in 0..3 {
        for (index, client) in clients.iter_mut().enumerate() {
            client.send(format!("SET k{index} {round}\r\nSPIN 10\r\nGET k{index}\r\n"));
        }
        for client in &mut clients {
            client.expect(&format!("+OK\r\n+OK\r\n$1\r\n{round}\r\n"));
        }
    }
    assert_eq!(server.metric("clients"), 300.0);
}

fn large_values_come_back_whole(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    let value: String = (0..3_000_000).map(|index| char::from(b'a' + (index % 23) as u8)).collect();
    let set = format!("*3\r\n$3\r\nSET\r\n$1\r\nv\r\n${}\r\n{value}\r\n", value.len());
    client.ask(&set, "+OK\r\n");
    for _ in 0..3 {
        client.ask("GET v\r\n", &format!("${}\r\n{value}\r\n", value.len()));
    }
}

fn a_unix_socket_serves_like_tcp(io: &str) {
    let path = std::env::temp_dir().join(format!("revenant-{io}-{}", std::process::id()));
    let server = Server::start_at(&format!("unix:{}", path.display()), io, &[]);
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"SET a 1\r\nSPIN 10\r\nGET a\r\nQUIT\r\n").unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
    server.terminate();
    assert!(server.wait().success());
    assert!(!path.exists(), "the socket's file stays behind");
}

fn datagrams_are_answered_and_bad_ones_counted(io: &str) {
    let server = Server::start_at("udp://127.0.0.1:0", io, &[]);
    let address = server.address.trim_start_matches("udp://");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(address).unwrap();
    let ask = |header: &RequestHeader| {
        let mut bytes = Vec::new();
        encode_request(header, b"", b"", &mut bytes);
        socket.send(&bytes).unwrap();
        let mut reply = [0; 2048];
        let length = socket.recv(&mut reply).unwrap();
        decode_reply(&reply[..length], usize::MAX).unwrap().unwrap()
    };
    assert_eq!((ask(&ping(7)).id, ask(&spin(8, 100)).status), (7, Status::Ok));
    let unknown = RequestHeader { op: 99, ..ping(9) };
    assert_eq!((ask(&unknown).id, ask(&unknown).status), (9, Status::UnknownOp));
    socket.send(b"PING\r\n").unwrap();
    wait_until("it is counted", || server.metric("datagrams_bad_total") == 1.0);
    assert_eq!(ask(&ping(10)).id, 10);
}

fn datagrams_without_room_are_counted(io: &str) {
    let server = Server::start_at("udp://127.0.0.1:0", io, &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address.trim_start_matches("udp://")).unwrap();
    server.pause();
    for _ in 0..2_000 {
        socket.send(&[0; 1024]).unwrap();
    }
    server.resume();
    wait_until("some were lost", || server.metric("datagrams_dropped_total") > 0.0);
    wait_until("some were not", || server.metric("datagrams_bad_total") > 0.0);
}

fn both_protocols_share_a_port(io: &str) {
    let server = Server::start(io, &[]);
    let (mut resp, mut native) = (server.client(), server.client());
    resp.ask("PING\r\n", "+PONG\r\n");
    native.send_native(&ping(3), b"");
    assert_eq!(native.receive_native().0.id, 3);
    let unknown = RequestHeader { op: 200, ..ping(4) };
    native.send_native(&unknown, b"");
    assert_eq!(native.receive_native().0.status, Status::UnknownOp);
    native.send_native(&ping(5), b"");
    assert_eq!(native.receive_native().0.id, 5, "an unknown op ends nothing");
}

fn without_inline_execution_everything_is_the_same(io: &str) {
    let server = Server::start(io, &["--inline", "false"]);
    let mut client = server.client();
    client.ask("SET a 5\r\nINCR a\r\nGET a\r\n", "+OK\r\n:6\r\n$1\r\n6\r\n");
    assert_eq!(server.metric("requests_total{where=\"worker\"}"), 3.0);
    assert_eq!(server.metric("requests_total{where=\"inline\"}"), 0.0);
}

fn a_dispatcher_that_sleeps_is_woken_by_sockets_and_by_workers(io: &str) {
    let server = Server::start(io, &["--share-cpu"]);
    let mut client = server.client();
    for _ in 0..20 {
        client.ask("SPIN 3000\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    }
}

fn expired_keys_go_without_being_asked_for(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    client.send("SET kept v\r\n");
    client.expect("+OK\r\n");
    for index in 0..50 {
        client.ask(&format!("SET key:{index} v PX 1\r\n"), "+OK\r\n");
    }
    wait_until("they are gone", || {
        client.send("DBSIZE\r\n");
        let mut reply = Vec::new();
        while !reply.ends_with(b"\n") {
            let mut byte = [0];
            client.stream.read_exact(&mut byte).unwrap();
            reply.push(byte[0]);
        }
        reply == b":1\r\n"
    });
    // A sweep is no request of a client: nothing else is answered by its end.
    client.ask("SPIN 10\r\nGET kept\r\n", "+OK\r\n$1\r\nv\r\n");
}
