//! A server from start to end.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use revenant::hint::ClassId;
use revenant::policy::{AnyPolicy, PolicyOptions};
use revenant::{BuildError, Class, Runtime};

use crate::command::{Command, CommandClass};
use crate::config::{Config, IoKind};
use crate::counters::Counters;
use crate::dispatcher::{Desk, Dispatcher, Drain, Notice, Settings};
use crate::door::{self, Address, Bound};
use crate::epoll::Epoll;
use crate::keyspace::Keyspace;
use crate::metrics::Metrics;
use crate::ring::Ring;
use crate::service::Service;
use crate::store::StoreError;
use crate::transport::{Doors, Transport};

/// Descriptors that are not clients: listeners, stores, the ring.
const OTHER_DESCRIPTORS: u64 = 256;

/// Time between two looks for expired keys.
const SWEEP_PERIOD: Duration = Duration::from_millis(100);

/// Keys a look visits: some 100 us of work, ten thousand keys a second.
const SWEEP_KEYS: usize = 1_000;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: String,
        /// The kernel's word.
        error: io::Error,
    },
    /// Sockets cannot be used the way that was asked for.
    #[error("cannot use {kind}: {error}; `--io auto` takes what there is")]
    Io {
        /// Which way.
        kind: &'static str,
        /// The kernel's word.
        error: io::Error,
    },
    /// The keys cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Requests cannot be scheduled.
    #[error(transparent)]
    Runtime(#[from] BuildError),
    /// A thread or descriptor is refused.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// How a server ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The network did not work any more.
    #[error("the network failed: {0}")]
    Network(io::Error),
    /// A fault of ours.
    #[error("the dispatcher ended by a fault of its own; its message is above")]
    Died,
    /// What was acknowledged may not be on the disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tells a server to end.
#[derive(Clone, Debug)]
pub struct Handle(Sender<Notice>);

impl Handle {
    /// Ends the server; `why` is logged. Twice: without waiting.
    pub fn end(&self, why: &'static str) {
        // It has ended already if nobody listens.
        let _ended = self.0.send(Notice::Asked(why));
    }
}

/// The runtime, for those who only ask it for statistics.
pub(crate) type SharedRuntime = Arc<Mutex<Runtime>>;

/// A running server.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<Address>,
    service: Arc<Service>,
    runtime: SharedRuntime,
    wanted: Arc<AtomicBool>,
    bell: File,
    notices: (Sender<Notice>, Receiver<Notice>),
    metrics: Option<Metrics>,
}

/// What every part of the server gets.
struct Parts {
    service: Arc<Service>,
    counters: Arc<Counters>,
    wanted: Arc<AtomicBool>,
    notices: Sender<Notice>,
}

impl Server {
    /// Starts a server; it serves when this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, Vec::new())
    }

    /// Starts a server that has further commands; those of the same name as one it has already are
    /// not asked.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_with(config: &Config, own: Vec<Command>) -> Result<Self, StartError> {
        let clients_max = make_room(config.clients_max)?;
        let (doors, addresses) = open_doors(config)?;
        let counters = Arc::new(Counters::default());
        let mut service = service(config, &counters)?;
        service.own = own.into_iter().map(|command| &*Box::leak(Box::new(command))).collect();
        let service = Arc::new(service);
        let (sender, receiver) = mpsc::channel();
        let parts = Parts {
            service: Arc::clone(&service),
            counters: Arc::clone(&counters),
            wanted: Arc::default(),
            notices: sender.clone(),
        };
        let wanted = Arc::clone(&parts.wanted);
        let (runtime, bell) = start_over(config, clients_max, doors, parts)?;
        let runtime = Arc::new(Mutex::new(runtime));
        let metrics = config
            .metrics
            .map(|address| serve_metrics(address, &counters, &runtime))
            .transpose()?;
        let notices = (sender, receiver);
        Ok(Self { addresses, service, runtime, wanted, bell, notices, metrics })
    }

    /// Where it listens: ports that were 0 are known by now.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Where its metrics are.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(Metrics::address)
    }

    /// What schedules its requests, and why that.
    pub fn backend(&self) -> String {
        let runtime = lock(&self.runtime);
        let chosen = runtime.backend();
        format!("{} ({})", chosen.kind, chosen.reason)
    }

    /// Tells it to end.
    pub fn handle(&self) -> Handle {
        Handle(self.notices.0.clone())
    }

    /// Serves until somebody ends it; then answers what is under way and makes the store keep what
    /// was written.
    ///
    /// # Errors
    /// [`EndError`].
    pub fn serve(self) -> Result<(), EndError> {
        let outcome = self.wait();
        // Told to the clients already; what still runs is told to end.
        let left = lock(&self.runtime).drain(Duration::ZERO);
        for request in left.leftovers {
            tracing::warn!(class = request.class, age = ?request.age, "a request did not end");
        }
        for address in &self.addresses {
            if let Address::Unix(path) = address {
                let _gone_already = std::fs::remove_file(path);
            }
        }
        self.service.keyspace.store().settle()?;
        tracing::info!("ended");
        outcome
    }

    fn wait(&self) -> Result<(), EndError> {
        let mut is_ending = false;
        loop {
            let notice = match self.notices.1.recv_timeout(SWEEP_PERIOD) {
                Ok(notice) => notice,
                Err(RecvTimeoutError::Timeout) => {
                    self.sweep();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            match notice {
                Notice::Asked(why) if is_ending => {
                    tracing::warn!(why, "ends without waiting");
                    return Ok(());
                }
                Notice::Asked(why) => {
                    tracing::info!(why, "ends: no new clients, what is under way is finished");
                    is_ending = true;
                    self.wanted.store(true, Ordering::Relaxed);
                    // It fails only if the bell has rung already.
                    let _rung = (&self.bell).write(&1_u64.to_ne_bytes());
                }
                Notice::Drained { unfinished } => {
                    tracing::info!(unfinished, "drained");
                    return Ok(());
                }
                Notice::NetworkFailed(error) => return Err(EndError::Network(error)),
                Notice::Died => return Err(EndError::Died),
            }
        }
    }

    /// Has a worker give back the memory of keys that have expired.
    fn sweep(&self) {
        if !self.service.keyspace.wants_sweep() {
            return;
        }
        let service = Arc::clone(&self.service);
        let class = ClassId(CommandClass::Scan.index() as u16);
        // If it is refused or fails, the next one goes on where it began.
        let _ticket = lock(&self.runtime).submit_to(class, move |context| {
            let _swept = service.keyspace.sweep(context, SWEEP_KEYS);
        });
    }
}

pub(crate) fn lock(runtime: &SharedRuntime) -> MutexGuard<'_, Runtime> {
    runtime.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Allows this process as many descriptors as clients need. Returns how many clients there is room
/// for.
fn make_room(clients_max: usize) -> io::Result<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = clients_max as u64 + OTHER_DESCRIPTORS;
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        let current = Some(wanted.min(maximum));
        setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum })?;
    }
    if wanted <= maximum {
        return Ok(clients_max);
    }
    let room = (maximum.saturating_sub(OTHER_DESCRIPTORS) as usize).max(1);
    tracing::warn!(clients_max = room, "fewer clients: the limit of open files is {maximum}");
    Ok(room)
}

fn open_doors(config: &Config) -> Result<(Doors, Vec<Address>), StartError> {
    let (mut doors, mut addresses) = (Doors::default(), Vec::new());
    for address in &config.listen {
        let failed = |error| StartError::Listen { address: address.to_string(), error };
        let (bound, address) = door::bind(address).map_err(failed)?;
        match bound {
            Bound::Listener(listener) => doors.listeners.push(listener),
            Bound::Port(port) => doors.ports.push(port),
        }
        addresses.push(address);
    }
    Ok((doors, addresses))
}

fn service(config: &Config, counters: &Arc<Counters>) -> Result<Service, StartError> {
    let store = config.store.open(&config.folder, config.sync)?;
    let mut service = Service::new(Keyspace::new(store));
    service.cluster.clone_from(&config.cluster);
    service.password.clone_from(&config.password);
    service.value_max = service.value_max.min(config.allowance.frame_max);
    service.reply_max = service.reply_max.min(config.allowance.output_max / 2);
    let maxclients = ("maxclients".to_owned(), config.clients_max.to_string());
    service.settings.push(maxclients);
    let (clients, totals) = (Arc::clone(counters), Arc::clone(counters));
    service.info.push(("Clients", Box::new(move |out| clients.write_clients(out))));
    service.info.push(("Stats", Box::new(move |out| totals.write_totals(out))));
    Ok(service)
}

/// Chooses how sockets are used.
fn start_over(
    config: &Config,
    clients_max: usize,
    doors: Doors,
    parts: Parts,
) -> Result<(Runtime, File), StartError> {
    let io_error = |kind| move |error| StartError::Io { kind, error };
    let is_uring = match (config.io, Ring::check()) {
        (IoKind::Epoll, _) => false,
        (_, Ok(())) => true,
        (IoKind::Uring, Err(error)) => return Err(io_error("io_uring")(error)),
        (IoKind::Auto, Err(error)) => {
            tracing::warn!(%error, "io_uring is not to be had here; sockets go through epoll");
            false
        }
    };
    if is_uring {
        launch(config, clients_max, Ring::new(doors).map_err(io_error("io_uring"))?, parts)
    } else {
        launch(config, clients_max, Epoll::new(doors).map_err(io_error("epoll"))?, parts)
    }
}

fn launch<T: Transport + 'static>(
    config: &Config,
    clients_max: usize,
    transport: T,
    parts: Parts,
) -> Result<(Runtime, File), StartError> {
    let Parts { service, counters, wanted, notices } = parts;
    let bell = transport.bell()?;
    let drain = Drain::new(wanted);
    let desk = Desk::new(settings(config, clients_max), service, counters, (drain, notices));
    let dispatcher = Dispatcher::new(transport, desk)?;
    let policy: AnyPolicy = config
        .policy
        .build(&PolicyOptions::default())
        .map_err(|error| io::Error::other(error.to_string()))?;
    let mut builder = Runtime::builder()
        .policy(policy)
        .ingress(dispatcher)
        .backend(config.backend)
        .spin(config.spin.0)
        .share_dispatcher_cpu(config.shares_cpu)
        .tasks_max(jobs_max(config))
        .name("rvserver");
    for (class, chosen) in CommandClass::ALL.into_iter().zip(&config.classes) {
        let slo = chosen.slo.map(|slo| slo.0);
        let deadline = chosen.deadline.map(|deadline| deadline.0);
        let in_flight_max = chosen.in_flight;
        let class_options = Class { slo, deadline, in_flight_max, ..Class::default() };
        builder = builder.class(class.name(), class_options);
    }
    if let Some(cpu) = config.dispatcher_cpu {
        builder = builder.dispatcher_cpu(cpu);
    }
    if let Some(cpus) = config.worker_cpus {
        builder = builder.worker_cpus(cpus.0);
    }
    Ok((builder.build()?, bell))
}

fn jobs_max(config: &Config) -> usize {
    config.classes.iter().map(|class| class.in_flight).sum()
}

fn settings(config: &Config, clients_max: usize) -> Settings {
    // Polling would take the CPU from those it is shared with: others, or workers with requests.
    let is_single = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1);
    Settings {
        clients_max,
        jobs_max: jobs_max(config),
        allowance: config.allowance,
        buffers_max: config.buffers_max,
        is_inline: config.is_inline,
        spin_ns: if config.shares_cpu { 0 } else { config.spin.as_nanos() },
        spins_beside_jobs: !is_single,
        drain_ns: config.drain.as_nanos(),
        windows: config.classes.map(|class| (class.wait_ns, class.in_flight)),
    }
}

fn serve_metrics(
    address: SocketAddr,
    counters: &Arc<Counters>,
    runtime: &SharedRuntime,
) -> Result<Metrics, StartError> {
    let (counters, runtime) = (Arc::clone(counters), Arc::clone(runtime));
    Metrics::serve(address, counters, runtime)
        .map_err(|error| StartError::Listen { address: format!("{address} (metrics)"), error })
}
