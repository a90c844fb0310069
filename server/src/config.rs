//! Configuration: flags and a file with the same names; flags win. Everything is checked before
//! anything starts, and every fault is told at once.

mod class;
mod effective;
mod text;

pub use class::{ClassFlag, ClassOptions};
pub use effective::{ClassConfig, Config};
pub use text::{Bytes, Cpus, Member, Span, Text};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use revenant::BackendKind;
use revenant::policy::PolicyKind;
use serde::{Deserialize, Serialize};

use crate::door::Address;
use crate::store::{Durability, StoreKind};

/// How sockets are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoKind {
    /// io_uring, or epoll where it is forbidden.
    #[default]
    Auto,
    /// io_uring.
    Uring,
    /// epoll.
    Epoll,
}

/// What can be chosen; what is not has a default.
#[derive(Clone, Debug, Default, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// Where clients come in: HOST:PORT, udp://HOST:PORT (native frames) or unix:PATH; repeatable
    /// [default: 127.0.0.1:6379]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Text<Address>>,
    /// What clients must AUTH with; required on any address that other machines reach. Better kept
    /// in the file: a command line can be read by everybody
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// How sockets are used [default: auto]
    #[arg(long, value_name = "KIND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io: Option<IoKind>,
    /// Where metrics are served, as Prometheus reads them: HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Text<std::net::SocketAddr>>,
    /// Where keys are kept: memory, fjall or rocksdb [default: memory]
    #[arg(long, value_name = "KIND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Text<StoreKind>>,
    /// The folder of a durable store [default: revenant-data]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// When writes are on the disk: always (before they are acknowledged), everysec or no
    /// [default: everysec]
    #[arg(long, value_name = "WHEN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Text<Durability>>,
    /// A server of the cluster and its slots, this one among them; repeatable
    #[arg(long, value_name = "HOST:PORT=FIRST-LAST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<Text<Member>>,
    /// What schedules requests: threads, kernel or auto [default: threads]
    #[arg(long, value_name = "KIND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<Text<BackendKind>>,
    /// Who runs next: two-queue, shinjuku, fifo or fifo-percpu [default: two-queue]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text<PolicyKind>>,
    /// The CPU that serves the network and decides [default: the first allowed]
    #[arg(long, value_name = "CPU")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatcher_cpu: Option<u16>,
    /// Others want the dispatcher's CPU too, a load generator perhaps: it sleeps instead of polling
    /// [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_cpu: Option<bool>,
    /// The CPUs that requests run on [default: the others]
    #[arg(long, value_name = "CPUS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_cpus: Option<Text<Cpus>>,
    /// Execute commands on single keys on the dispatcher, if the store is quick [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<bool>,
    /// How long idle CPUs poll before they sleep [default: 2ms]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spin: Option<Text<Span>>,
    /// Connections at a time [default: 10000]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients_max: Option<usize>,
    /// Requests of one native connection under way at a time [default: 1024]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline_max: Option<usize>,
    /// Bytes of a request [default: 64MiB]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_max: Option<Text<Bytes>>,
    /// Bytes that may wait for a client to read them; more, and it is cut [default: 128MiB]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_max: Option<Text<Bytes>>,
    /// Bytes that wait in the buffers of all connections, in either direction; beyond, those that hold
    /// more than their share are cut [default: 256MiB]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffers_max: Option<Text<Bytes>>,
    /// Close connections on which nothing happens for so long; 0s never does [default: 10min]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Text<Span>>,
    /// Cut clients that take longer to send one request [default: 30s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_timeout: Option<Text<Span>>,
    /// Cut clients that do not read for so long while replies wait for them [default: 30s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_timeout: Option<Text<Span>>,
    /// How long a shutdown waits for requests under way [default: 5s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Text<Span>>,
    /// Choices for a class (get, put, scan, spin): slo, deadline, wait (the queueing delay beyond
    /// which fewer are let in), in-flight; repeatable
    #[arg(long = "class", value_name = "CLASS:FIELD=VALUE,...")]
    #[serde(skip)]
    pub class_flags: Vec<ClassFlag>,
    /// The same in a file.
    #[arg(skip)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub class: BTreeMap<String, ClassOptions>,
}

impl Options {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or where it says what cannot be understood.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the configuration {shown}: {error}"))?;
        Self::parse(&text).map_err(|error| format!("configuration {shown}: {error}"))
    }

    /// Understands a file's text.
    ///
    /// # Errors
    /// Where it says what cannot be understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// These, and `file`'s where there are none.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        let mut class = self.class;
        for flag in self.class_flags {
            let name = flag.class.name().to_owned();
            let earlier = class.remove(&name).unwrap_or_default();
            class.insert(name, flag.options.or(earlier));
        }
        for (name, options) in file.class {
            let own = class.remove(&name).unwrap_or_default();
            class.insert(name, own.or(options));
        }
        let first = |own: Vec<_>, other| if own.is_empty() { other } else { own };
        Self {
            listen: first(self.listen, file.listen),
            password: self.password.or(file.password),
            io: self.io.or(file.io),
            metrics: self.metrics.or(file.metrics),
            store: self.store.or(file.store),
            folder: self.folder.or(file.folder),
            sync: self.sync.or(file.sync),
            cluster: if self.cluster.is_empty() { file.cluster } else { self.cluster },
            backend: self.backend.or(file.backend),
            policy: self.policy.or(file.policy),
            dispatcher_cpu: self.dispatcher_cpu.or(file.dispatcher_cpu),
            share_cpu: self.share_cpu.or(file.share_cpu),
            worker_cpus: self.worker_cpus.or(file.worker_cpus),
            inline: self.inline.or(file.inline),
            spin: self.spin.or(file.spin),
            clients_max: self.clients_max.or(file.clients_max),
            pipeline_max: self.pipeline_max.or(file.pipeline_max),
            frame_max: self.frame_max.or(file.frame_max),
            output_max: self.output_max.or(file.output_max),
            buffers_max: self.buffers_max.or(file.buffers_max),
            idle_timeout: self.idle_timeout.or(file.idle_timeout),
            frame_timeout: self.frame_timeout.or(file.frame_timeout),
            stall_timeout: self.stall_timeout.or(file.stall_timeout),
            drain: self.drain.or(file.drain),
            class_flags: Vec::new(),
            class,
        }
    }

    /// Every choice made, those of the defaults too.
    #[must_use]
    pub fn complete(self) -> Self {
        self.or(Self::parse(DEFAULTS).expect("the defaults are a configuration; a test reads them"))
    }

    /// As a file.
    ///
    /// # Panics
    /// Never: every field has a form in TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field has a form in TOML")
    }
}

/// What is chosen where nobody chose.
const DEFAULTS: &str = include_str!("config/defaults.toml");

#[cfg(test)]
mod tests;
