//! What the server tells about itself, as Prometheus reads it, over a plain HTTP/1.0 answer to
//! whoever connects.

mod page;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::counters::Counters;
use crate::server::{SharedRuntime, lock};

/// How long a reader may take to ask, and to read: there is one at a time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of a question. What is asked beyond its first line does not matter.
const QUESTION_MAX: usize = 4096;

/// The address metrics are served on, by a thread of their own that lives as long as the process.
#[derive(Debug)]
pub struct Metrics {
    address: SocketAddr,
}

impl Metrics {
    /// Serves them.
    ///
    /// # Errors
    /// The address cannot be listened on, or there is no thread to be had.
    pub(crate) fn serve(
        address: SocketAddr,
        counters: Arc<Counters>,
        runtime: SharedRuntime,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        thread::Builder::new().name("rvserver-metrics".to_owned()).spawn(move || {
            for client in listener.incoming() {
                let answered = client.and_then(|client| answer(client, &counters, &runtime));
                if let Err(error) = answered {
                    tracing::debug!(%error, "metrics were not delivered");
                }
            }
        })?;
        Ok(Self { address })
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn answer(mut client: TcpStream, counters: &Counters, runtime: &SharedRuntime) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut question = Vec::new();
    let mut piece = [0; 512];
    // As far as the blank line, so that closing does not reset what was not read.
    while !question.ends_with(b"\r\n\r\n") && question.len() < QUESTION_MAX {
        match client.read(&mut piece)? {
            0 => break,
            length => question.extend_from_slice(&piece[..length]),
        }
    }
    let is_page = |path: &[u8]| question.starts_with(path);
    let (status, page) = if is_page(b"GET /metrics ") || is_page(b"GET / ") {
        let stats = lock(runtime).stats();
        ("200 OK", page::page(counters, &stats))
    } else {
        ("404 Not Found", "there is /metrics\n".to_owned())
    };
    let length = page.len();
    write!(
        client,
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{page}"
    )
}
