//! A connection before the run: it blocks, authenticates, tries each class once, and fills a store.

mod exchange;

use std::io;

use revenant_wire::native::{self, Op, RequestHeader};
use revenant_wire::resp::encode_command;
use thiserror::Error;

use crate::dialect::{ClassField, Decoder, DialectError, Encoder, Parts, Protocol};
use crate::endpoint::{Endpoint, EndpointError};
use crate::keys::{Keys, key_name};
use crate::link::Link;
use crate::live::Live;
use crate::traffic::Traffic;

/// Why a server is not ready for a run.
#[derive(Debug, Error)]
pub enum SessionError {
    /// No connection.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The traffic or the reply does not fit the protocol.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// The connection broke.
    #[error("{endpoint}: {source}; {}", broken(endpoint, source.kind()))]
    Broken {
        /// The server.
        endpoint: Endpoint,
        /// What the kernel said.
        source: io::Error,
    },
    /// The server refused the password.
    #[error("{endpoint} answers AUTH with `{reply}`: put its password into REVENANT_PASSWORD")]
    Unauthorised {
        /// The server.
        endpoint: Endpoint,
        /// What it said.
        reply: String,
    },
    /// The server does not do what a class asks for.
    #[error("{endpoint} answers class `{class}` with `{reply}`: {}", refused(reply))]
    Refused {
        /// The server.
        endpoint: Endpoint,
        /// The class.
        class: String,
        /// What it said.
        reply: String,
    },
}

fn broken(endpoint: &Endpoint, kind: io::ErrorKind) -> &'static str {
    match kind {
        _ if endpoint.is_datagram() && exchange::is_timeout(kind) => {
            "no reply within 10 s, though asked 8 times: does a server listen there on udp, and is \
             it not stuck?"
        }
        io::ErrorKind::ConnectionRefused => {
            "is the server running, and does it listen there on udp?"
        }
        _ if exchange::is_timeout(kind) => {
            "no reply within 10 s: is the server stuck, or does it speak another protocol?"
        }
        _ => "does it speak this protocol (--protocol), and does it still run?",
    }
}

fn refused(reply: &str) -> &'static str {
    let begins = |word: &str| reply.starts_with(word);
    if begins("NOAUTH") || reply.contains("uthenticat") {
        "put its password into REVENANT_PASSWORD"
    } else if reply.contains("unknown command") || reply.contains("no such op") {
        "choose traffic it has commands for (`list` shows presets; Redis has no SPIN and no RANGE)"
    } else if begins("OVERLOADED") || begins("EXPIRED") || begins("LOADING") || begins("BUSY") {
        "it is busy; wait until it is idle, and start again"
    } else {
        "correct the command in --mix"
    }
}

/// A blocking connection.
#[derive(Debug)]
pub struct Session {
    endpoint: Endpoint,
    protocol: Protocol,
    link: Link,
    decoder: Decoder,
    inbound: Vec<u8>,
}

impl Session {
    /// Connects, and authenticates if there is a password.
    ///
    /// # Errors
    /// When nobody answers, or the password is refused.
    pub fn open(
        endpoint: &Endpoint,
        protocol: Protocol,
        password: Option<&str>,
    ) -> Result<Self, SessionError> {
        let link = endpoint.connect()?;
        let decoder = Decoder::new(protocol);
        let mut session =
            Self { endpoint: endpoint.clone(), protocol, link, decoder, inbound: Vec::new() };
        if let Some(password) = password {
            session.authenticate(password)?;
        }
        Ok(session)
    }

    fn authenticate(&mut self, password: &str) -> Result<(), SessionError> {
        let mut bytes = Vec::new();
        match self.protocol {
            Protocol::Resp => encode_command(&["AUTH", password], &mut bytes),
            Protocol::Native => {
                let header = RequestHeader { op: Op::Auth as u8, ..RequestHeader::default() };
                native::encode_request(&header, b"default", password.as_bytes(), &mut bytes);
            }
        }
        match self.ask(&bytes, 1)? {
            None => Ok(()),
            Some(reply) => {
                Err(SessionError::Unauthorised { endpoint: self.endpoint.clone(), reply })
            }
        }
    }

    /// Sends one request of each class and expects that none is an error.
    ///
    /// # Errors
    /// Names the class, the server's words, and what to do.
    pub fn try_each(&mut self, traffic: &Traffic, value_len: usize) -> Result<(), SessionError> {
        let mut encoder = Encoder::new(self.protocol, traffic, value_len, ClassField::Server)?;
        for (index, class) in traffic.mix().classes().iter().enumerate() {
            let mut bytes = Vec::new();
            let parts = Parts { id: index as u64, key: &key_name(0), value_len };
            encoder.encode(index, parts, &mut bytes);
            if let Some(reply) = self.ask(&bytes, 1)? {
                return Err(self.refused(&class.name, reply));
            }
        }
        Ok(())
    }

    /// Writes every key once, unless `live` is asked to stop.
    ///
    /// # Errors
    /// When the server refuses one, or the connection breaks.
    pub fn fill(&mut self, keys: Keys, value_len: usize, live: &Live) -> Result<(), SessionError> {
        let set = Traffic::parse("load=100:SET").expect("one class with an operation is traffic");
        let mut encoder = Encoder::new(self.protocol, &set, value_len, ClassField::Server)?;
        let mut bytes = Vec::new();
        let flight = self.flight(value_len);
        for first in (0..keys.count).step_by(flight) {
            if live.is_stopped() {
                break;
            }
            let batch = first..keys.count.min(first + flight as u64);
            let count = (batch.end - batch.start) as usize;
            bytes.clear();
            for id in batch {
                encoder.encode(0, Parts { id, key: &key_name(id), value_len }, &mut bytes);
            }
            if let Some(reply) = self.ask(&bytes, count)? {
                return Err(self.refused("load", reply));
            }
        }
        Ok(())
    }

    fn refused(&self, class: &str, reply: String) -> SessionError {
        let class = class.to_owned();
        SessionError::Refused { endpoint: self.endpoint.clone(), class, reply }
    }

    /// The connection, to be used without blocking from now on.
    #[must_use]
    pub fn into_link(self) -> Link {
        self.link
    }
}
