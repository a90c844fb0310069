//! A service of one's own: three handlers, and the network, the protocols, the scheduling and the
//! metrics of the server around them. Counting is preempted, so lookups do not wait for it.
//! `kv 127.0.0.1:7379` serves any Redis client; without an address it asks itself.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, RwLock};
use std::thread;

use revenant_server::command::{Command, CommandClass, Outcome};
use revenant_server::config::{Config, Options};
use revenant_server::turn::{Turn, atomically};
use revenant_server::{reply::Reply, request::Request, server::Server};

type Store = Arc<RwLock<BTreeMap<Vec<u8>, Vec<u8>>>>;
type Handler = fn(&Store, &Request, &dyn Turn, &mut Reply<'_>) -> Outcome;

/// `LOOK key`. No preemption while it has the lock: nobody should wait for a holder that waits.
fn look(store: &Store, request: &Request, turn: &dyn Turn, reply: &mut Reply<'_>) -> Outcome {
    atomically(turn, || match store.read().unwrap().get(request.argument(1)) {
        Some(value) => reply.bulk(value),
        None => reply.nil(),
    });
    Ok(())
}

/// `KEEP key value`.
fn keep(store: &Store, request: &Request, turn: &dyn Turn, reply: &mut Reply<'_>) -> Outcome {
    let [key, value] = [1, 2].map(|index| request.argument(index).to_vec());
    atomically(turn, || store.write().unwrap().insert(key, value));
    reply.ok();
    Ok(())
}

/// `COUNT key`: the keys from there on, a hundred at a time; others may run in between.
fn count(store: &Store, request: &Request, turn: &dyn Turn, reply: &mut Reply<'_>) -> Outcome {
    let (mut from, mut sum) = (request.argument(1).to_vec(), 0);
    let piece = |from: &Vec<u8>| -> Vec<Vec<u8>> {
        store.read().unwrap().range(from.clone()..).take(100).map(|pair| pair.0.clone()).collect()
    };
    while let keys = atomically(turn, || piece(&from))
        && let Some(last) = keys.last()
    {
        sum += keys.len() as i64;
        from = [last, &b"\0"[..]].concat();
        turn.safepoint();
    }
    reply.integer(sum);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::default();
    let own = |name, words, class, run: Handler| {
        let store = store.clone();
        Command::own(name, words, class, move |asked, turn, reply| run(&store, asked, turn, reply))
    };
    let (get, put, scan) = (CommandClass::Get, CommandClass::Put, CommandClass::Scan);
    let commands =
        vec![own("look", 2, get, look), own("keep", 3, put, keep), own("count", 2, scan, count)];
    let address = std::env::args().nth(1);
    let listen = vec![address.as_deref().unwrap_or("127.0.0.1:0").parse()?];
    let config = Config::new(Options { listen, ..Options::default() });
    let server = Server::start_with(&config.map_err(|faults| faults.join("; "))?, commands)?;
    let listening = server.addresses()[0].to_string();
    println!("listening on {listening}");
    let asked = address.is_none().then(|| thread::spawn(|| ask(listening)));
    server.serve()?;
    asked.map_or(Ok(()), |asked| asked.join().map_err(|_| "it got wrong replies".into()))
}

fn ask(address: String) {
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"KEEP k v\r\nLOOK k\r\nCOUNT a\r\nSHUTDOWN\r\n").unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "+OK\r\n$1\r\nv\r\n:1\r\n");
}
