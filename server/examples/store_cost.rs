//! What a store costs on this machine: GET, SET and a scan of 10 000 keys, alone and beside a
//! thread that scans all the time; and a GET from the bytes of its request to those of its reply.
//!
//!     cargo run --release -p revenant-server --example store_cost [memory|fjall|rocksdb]

use std::error::Error;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use revenant_server::command::Command;
use revenant_server::keyspace::{Entry, Keyspace};
use revenant_server::reply::Reply;
use revenant_server::request::Request;
use revenant_server::service::Service;
use revenant_server::session::Session;
use revenant_server::store::{Change, Durability, StoreKind};
use revenant_server::turn::Uninterrupted;
use revenant_wire::resp::{Limits, decode_request, encode_command};

const KEYS: u64 = 100_000;
const SCAN_KEYS: usize = 10_000;
const ROUNDS: u64 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "memory".to_owned());
    let folder = tempfile::TempDir::new()?;
    let store = name.parse::<StoreKind>()?.open(folder.path(), Durability::No)?;
    let service = Service::new(Keyspace::new(store));
    for number in 0..KEYS {
        set(&service.keyspace, number)?;
    }
    println!("{name}, {KEYS} keys of 16 bytes, values of 64 bytes");
    println!("                     median       p99     p99.9       max");
    measure(&service, "alone")?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scanner = scope.spawn(|| {
            let mut scanned = Ok(());
            while scanned.is_ok() && !is_over.load(Ordering::Relaxed) {
                scanned = scan(&service.keyspace, KEYS as usize);
            }
        });
        let measured = measure(&service, "beside");
        is_over.store(true, Ordering::Relaxed);
        scanner.join().map_err(|_| "the scanning thread panicked")?;
        measured
    })
}

fn measure(service: &Service, when: &str) -> Result<(), Box<dyn Error>> {
    let keyspace = &service.keyspace;
    report(&format!("GET {when}"), ROUNDS, |number| get(keyspace, number))?;
    report(&format!("RESP GET {when}"), ROUNDS, |number| request(service, number))?;
    report(&format!("SET {when}"), ROUNDS, |number| set(keyspace, number))?;
    report(&format!("scan {when}"), 200, |_| scan(keyspace, SCAN_KEYS))
}

fn report(
    what: &str,
    rounds: u64,
    run: impl Fn(u64) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut times_ns = Vec::new();
    for round in 0..rounds {
        let start = Instant::now();
        run(round.wrapping_mul(0x9e37_79b9) % KEYS)?;
        times_ns.push(start.elapsed().as_nanos());
    }
    times_ns.sort_unstable();
    let at = |share: f64| times_ns[((times_ns.len() - 1) as f64 * share) as usize];
    let [median, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(at);
    println!("{what:15} {median:>8} ns {p99:>6} ns {p999:>6} ns {max:>6} ns");
    Ok(())
}

fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let digits = number.to_string();
    key[16 - digits.len()..].copy_from_slice(digits.as_bytes());
    key
}

fn get(keyspace: &Keyspace, number: u64) -> Result<(), Box<dyn Error>> {
    let read = |entry: Option<Entry<'_>>| entry.map(|entry| entry.value.to_vec());
    std::hint::black_box(keyspace.read(&Uninterrupted, &key(number), read)?);
    Ok(())
}

/// All that a server does for a GET, but for the network.
fn request(service: &Service, number: u64) -> Result<(), Box<dyn Error>> {
    let (mut bytes, mut arguments, mut out) = (Vec::new(), Vec::new(), Vec::new());
    encode_command(&[&b"GET"[..], &key(number)], &mut bytes);
    let end = decode_request(&bytes, &Limits::within(1_000), &mut arguments)?;
    let mut request = Request::default();
    request.read_resp(&bytes[..end.ok_or("a request is whole")?], &mut arguments);
    let command = Command::find(&request, &Session::new(1, true), service)?;
    command.run(&request, service, &Uninterrupted, &mut Reply::to(&request, &mut out));
    std::hint::black_box(out);
    Ok(())
}

fn set(keyspace: &Keyspace, number: u64) -> Result<(), Box<dyn Error>> {
    let entry = || Entry::encode(None, &[7; 64], &[]);
    keyspace.update(&Uninterrupted, &key(number), |_| Ok((Change::Put(entry()), ())))?;
    Ok(())
}

fn scan(keyspace: &Keyspace, count: usize) -> Result<(), Box<dyn Error>> {
    let (mut left, mut out) = (count, Vec::new());
    keyspace.scan(&Uninterrupted, Bound::Unbounded, &mut |key, value| {
        if left == 0 {
            return ControlFlow::Break(());
        }
        left -= 1;
        out.extend_from_slice(key);
        out.extend_from_slice(value);
        ControlFlow::Continue(())
    })?;
    std::hint::black_box(out);
    Ok(())
}
