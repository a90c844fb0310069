//! The server as a program.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use revenant::Runtime;
use revenant_server::command::CommandClass;
use revenant_server::connection::Allowance;
use revenant_server::counters::Counters;
use revenant_server::dispatcher::{Desk, Dispatcher, Drain, Notice, Settings};
use revenant_server::door;
use revenant_server::epoll::Epoll;
use revenant_server::keyspace::Keyspace;
use revenant_server::ring::Ring;
use revenant_server::service::Service;
use revenant_server::store::MemoryStore;
use revenant_server::transport::{Doors, Transport};

fn main() -> anyhow::Result<()> {
    let address: door::Address = std::env::args().nth(1).unwrap().parse()?;
    let (bound, address) = door::bind(&address)?;
    let mut doors = Doors::default();
    match bound {
        door::Bound::Listener(listener) => doors.listeners.push(listener),
        door::Bound::Port(port) => doors.ports.push(port),
    }
    println!("listening on {address}");
    if std::env::args().nth(2).as_deref() == Some("epoll") {
        serve(Epoll::new(doors)?)
    } else {
        serve(Ring::new(doors)?)
    }
}

fn serve<T: Transport + 'static>(transport: T) -> anyhow::Result<()> {
    let service = Arc::new(Service::new(Keyspace::new(Box::new(MemoryStore::default()))));
    let counters = Arc::new(Counters::default());
    let wanted = Arc::new(AtomicBool::new(false));
    let (sender, notices) = mpsc::channel();
    let bell = transport.bell()?;
    let settings = Settings {
        clients_max: 10_000,
        jobs_max: 4096,
        allowance: Allowance {
            jobs_max: 1024,
            frame_max: 64 << 20,
            output_max: 64 << 20,
            idle_ns: None,
            frame_ns: 10_000_000_000,
            stall_ns: 10_000_000_000,
        },
        is_inline: true,
        spin_ns: 2_000_000,
        drain_ns: 5_000_000_000,
        windows: [(10_000_000, 4096); 4],
    };
    let desk =
        Desk::new(settings, service, counters, (Drain::new(Arc::clone(&wanted)), sender.clone()));
    let dispatcher = Dispatcher::new(transport, desk)?;
    let mut builder = Runtime::builder();
    for class in CommandClass::ALL {
        builder = builder.class(class.name(), revenant::Class::default());
    }
    let mut runtime = builder.ingress(dispatcher).build()?;
    ctrlc::set_handler(move || {
        let _ = sender.send(Notice::Asked("a signal"));
    })?;
    while let Ok(notice) = notices.recv() {
        match notice {
            Notice::Asked(_) => {
                wanted.store(true, Ordering::Relaxed);
                std::io::Write::write_all(&mut &bell, &1_u64.to_ne_bytes())?;
            }
            Notice::Drained { unfinished } => {
                println!("unfinished {unfinished}");
                break;
            }
            Notice::NetworkFailed(error) => return Err(error.into()),
        }
    }
    runtime.drain(std::time::Duration::ZERO);
    Ok(())
}
