//! An acknowledged write survives the death of the process.
//!
//! The parent starts this program again as a writer, reads its acknowledgements, kills it with
//! SIGKILL at a random moment, and looks for every acknowledged write in what is left. The moments
//! come from a seed that is printed; set REVENANT_SEED to repeat them.

mod writer;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use revenant_server::store::{Durability, StoreKind};

use writer::{THREADS, key, read_number};

/// The issue asks for this many.
const KILLS: u32 = 200;

/// The longest a writer lives after its first acknowledgement.
const LIFE_MAX_US: u64 = 20_000;

/// Says to this program that it is the writer, and where.
const FOLDER: &str = "REVENANT_WRITER_FOLDER";
const KIND: &str = "REVENANT_WRITER_STORE";

fn main() {
    if let (Ok(folder), Ok(kind)) = (std::env::var(FOLDER), std::env::var(KIND)) {
        return writer::write(Path::new(&folder), kind.parse().unwrap());
    }
    let mut stores = vec!["fjall"];
    if cfg!(feature = "rocksdb") {
        stores.push("rocksdb");
    }
    for store in stores {
        acknowledged_writes_survive(store);
    }
}

fn acknowledged_writes_survive(store: &str) {
    let mut seed = std::env::var("REVENANT_SEED").map_or_else(
        |_| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64,
        |seed| seed.parse().expect("REVENANT_SEED is a number"),
    );
    println!("store {store}, seed {seed}");
    let folder = tempfile::TempDir::new().unwrap();
    let mut acknowledged = [0; THREADS];
    for kill in 0..KILLS {
        seed = mixed(seed);
        let life = Duration::from_micros(seed % LIFE_MAX_US);
        let newest = run_and_kill(folder.path(), store, life);
        for (known, newest) in acknowledged.iter_mut().zip(newest) {
            *known = newest.max(*known);
        }
        check(folder.path(), store, &acknowledged, kill);
    }
    let total: u64 = acknowledged.iter().sum();
    println!("test {KILLS} kills of {store}: {total} acknowledged writes, 0 lost ... ok");
}

/// The newest acknowledgement of each of the writer's threads.
fn run_and_kill(folder: &Path, store: &str, life: Duration) -> [u64; THREADS] {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .env(FOLDER, folder)
        .env(KIND, store)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut newest = [0; THREADS];
    let mut note = |line: String| {
        // A line without its point was cut by death.
        let Some(line) = line.strip_suffix('.') else { return };
        let (thread, number) = line.split_once(' ').expect("a thread and a number");
        let known: &mut u64 = &mut newest[thread.parse::<usize>().unwrap()];
        *known = number.parse::<u64>().unwrap().max(*known);
    };
    note(lines.next().expect("the writer could not begin").unwrap());
    std::thread::sleep(life);
    writer.kill().unwrap();
    writer.wait().unwrap();
    // What it acknowledged before it died is still in the pipe.
    lines.map_while(Result::ok).for_each(note);
    newest
}

/// Each thread writes 1, 2, 3 and so on into keys of its own: all up to the newest must be there.
fn check(folder: &Path, store: &str, acknowledged: &[u64; THREADS], kill: u32) {
    let kind: StoreKind = store.parse().unwrap();
    let store = kind.open(folder, Durability::Always).unwrap();
    for (thread, newest) in acknowledged.iter().enumerate() {
        for number in 1..=*newest {
            let key = key(thread, number);
            let found = read_number(&*store, &key);
            assert_eq!(found, Some(number), "kill {kill}: {} of {newest}", key.escape_ascii());
        }
    }
}

/// splitmix64's finaliser.
fn mixed(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
