//! A configuration that makes sense.

use std::net::SocketAddr;
use std::path::PathBuf;

use revenant::BackendKind;
use revenant::cpu::CpuId;
use revenant::policy::PolicyKind;

use super::class::by_name;
use super::text::{Cpus, Span, Text};
use super::{ClassOptions, IoKind, Options};
use crate::cluster::Cluster;
use crate::command::CommandClass;
use crate::connection::Allowance;
use crate::door::Address;
use crate::store::{Durability, StoreKind};

/// What is chosen for a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassConfig {
    /// The latency that is promised for it.
    pub slo: Option<Span>,
    /// When an answer is worthless.
    pub deadline: Option<Span>,
    /// How long its requests may wait before fewer are let in.
    pub wait_ns: u64,
    /// How many may be under way.
    pub in_flight: usize,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients come in.
    pub listen: Vec<Address>,
    /// What they must know.
    pub password: Option<String>,
    /// How sockets are used.
    pub io: IoKind,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where keys are kept.
    pub store: StoreKind,
    /// In which folder.
    pub folder: PathBuf,
    /// When writes are on the disk.
    pub sync: Durability,
    /// Which server has which keys.
    pub cluster: Option<Cluster>,
    /// What schedules requests.
    pub backend: BackendKind,
    /// Who runs next.
    pub policy: PolicyKind,
    /// The dispatcher's CPU.
    pub dispatcher_cpu: Option<CpuId>,
    /// Others want the dispatcher's CPU.
    pub shares_cpu: bool,
    /// The workers' CPUs.
    pub worker_cpus: Option<Cpus>,
    /// Point commands are executed on the dispatcher.
    pub is_inline: bool,
    /// How long idle CPUs poll.
    pub spin: Span,
    /// Connections at a time.
    pub clients_max: usize,
    /// What a connection may use.
    pub allowance: Allowance,
    /// Bytes in the buffers of all connections.
    pub buffers_max: usize,
    /// How long a shutdown waits.
    pub drain: Span,
    /// By class.
    pub classes: [ClassConfig; CommandClass::ALL.len()],
}

impl Config {
    /// What `options` come to.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(options: Options) -> Result<Self, Vec<String>> {
        let options = options.complete();
        let mut faults = faults(&options);
        let cluster = cluster(&options).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let span = |span: &Option<Text<Span>>| span.as_ref().map_or(0, |span| span.as_nanos());
        let bytes = |bytes: &Option<Text<super::Bytes>>| bytes.as_ref().map_or(0, |bytes| bytes.0);
        let idle_ns = span(&options.idle_timeout);
        let allowance = Allowance {
            jobs_max: options.pipeline_max.unwrap_or(1),
            frame_max: bytes(&options.frame_max),
            output_max: bytes(&options.output_max),
            idle_ns: (idle_ns > 0).then_some(idle_ns),
            frame_ns: span(&options.frame_timeout),
            stall_ns: span(&options.stall_timeout),
        };
        let classes = CommandClass::ALL.map(|class| class_config(&options.class[class.name()]));
        Ok(Self {
            listen: options.listen.iter().map(|address| (**address).clone()).collect(),
            password: options.password,
            io: options.io.unwrap_or_default(),
            metrics: options.metrics.map(|address| *address),
            store: options.store.map(|store| *store).unwrap_or_default(),
            folder: options.folder.unwrap_or_default(),
            sync: options.sync.map(|sync| *sync).unwrap_or_default(),
            cluster,
            backend: options.backend.map(|backend| *backend).unwrap_or_default(),
            policy: options.policy.map(|policy| *policy).unwrap_or_default(),
            dispatcher_cpu: options.dispatcher_cpu.map(CpuId),
            shares_cpu: options.share_cpu.unwrap_or(false),
            worker_cpus: options.worker_cpus.map(|cpus| *cpus),
            is_inline: options.inline.unwrap_or(true),
            spin: options.spin.map_or(Span(std::time::Duration::ZERO), |spin| *spin),
            clients_max: options.clients_max.unwrap_or(1),
            allowance,
            buffers_max: bytes(&options.buffers_max),
            drain: options.drain.map_or(Span(std::time::Duration::ZERO), |drain| *drain),
            classes,
        })
    }
}

fn class_config(options: &ClassOptions) -> ClassConfig {
    ClassConfig {
        slo: options.slo.as_ref().map(|slo| **slo),
        deadline: options.deadline.as_ref().map(|deadline| **deadline),
        wait_ns: options.wait.as_ref().map_or(u64::MAX, |wait| wait.as_nanos()),
        in_flight: options.in_flight.unwrap_or(1),
    }
}

/// What is wrong with complete options.
fn faults(options: &Options) -> Vec<String> {
    let mut faults = Vec::new();
    let open = options.listen.iter().find(|address| !address.is_local());
    match (open, &options.password) {
        (Some(address), None) => faults.push(format!(
            "listen: {address} can be reached from other machines; set a password, or listen on \
             loopback"
        )),
        (_, Some(password)) if password.is_empty() => {
            faults.push("password: must not be empty; leave it out instead".to_owned());
        }
        _ => {}
    }
    let is_datagram = |address: &&Text<Address>| matches!(***address, Address::Udp(_));
    if let Some(address) = options.listen.iter().find(is_datagram)
        && (!address.is_local() || options.password.is_some())
    {
        faults.push(format!(
            "listen: {address} cannot ask for a password, as datagrams have no connection; use it \
             on loopback and without one"
        ));
    }
    for (name, value) in
        [("clients-max", options.clients_max), ("pipeline-max", options.pipeline_max)]
    {
        if !(1..=COUNT_MAX).contains(&value.unwrap_or(1)) {
            faults.push(format!("{name}: must be 1 to {COUNT_MAX}"));
        }
    }
    for (name, value) in [
        ("frame-max", &options.frame_max),
        ("output-max", &options.output_max),
        ("buffers-max", &options.buffers_max),
    ] {
        if value.as_ref().is_some_and(|bytes| bytes.0 < BYTES_MIN) {
            faults.push(format!("{name}: must be 64KiB or more"));
        }
    }
    for (name, span) in
        [("frame-timeout", &options.frame_timeout), ("stall-timeout", &options.stall_timeout)]
    {
        if span.as_ref().is_some_and(|span| span.0.is_zero()) {
            faults.push(format!("{name}: must not be zero: it would cut everybody"));
        }
    }
    for (name, class) in &options.class {
        match by_name(name) {
            Ok(known) => faults.extend(class.faults(known)),
            Err(unknown) => faults.push(format!("class: {unknown}")),
        }
    }
    faults
}

/// Connections, or requests of one: more than a process has descriptors for.
const COUNT_MAX: usize = 1 << 20;

/// The least bound of bytes: Redis's own for a line.
const BYTES_MIN: usize = 64 << 10;

fn cluster(options: &Options) -> Result<Option<Cluster>, String> {
    if options.cluster.is_empty() {
        return Ok(None);
    }
    let own = options.listen.iter().find_map(|address| match &**address {
        Address::Tcp(address) => Some(address.to_string()),
        _ => None,
    });
    let own = own.ok_or("cluster: a member listens on a TCP address")?;
    let nodes = options.cluster.iter().map(|member| member.0.clone()).collect();
    Cluster::new(nodes, &own).map(Some).map_err(|error| format!("cluster: {error}"))
}
