//! Tokio: a task a connection.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use revenant_server::service::Service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::runtime::Builder;
use tokio::sync::Mutex;

use super::conversation::{Conversation, Errand, Step};
use crate::affinity;

/// What one read takes in at most.
const READ_BYTES: usize = 16 * 1024;

/// Where long requests are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LongRequests {
    /// On the thread that read them.
    InPlace,
    /// Where tokio's manual sends what blocks.
    OnBlockingThreads,
}

#[derive(Clone, Debug)]
struct Server {
    service: Arc<Service>,
    long_requests: LongRequests,
}

pub(super) fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    long_requests: LongRequests,
) -> io::Result<()> {
    // One worker a CPU that it may use; tokio would count all of the machine's.
    let threads = affinity::allowed()?.len();
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_io().build()?;
    let server = Server { service, long_requests };
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that breaks ends its own task.
            tokio::spawn(server.clone().converse(stream));
        }
    })
}

impl Server {
    async fn converse(self, stream: TcpStream) -> io::Result<()> {
        let (mut reader, writer) = stream.into_split();
        let writer = Arc::new(Mutex::new(writer));
        let mut conversation = Conversation::new();
        let (mut bytes, mut out) = (vec![0; READ_BYTES], Vec::new());
        loop {
            let count = reader.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            conversation.receive(&bytes[..count]);
            loop {
                match conversation.next(&self.service, &mut out) {
                    Step::Ask(errand) if !errand.is_long() => errand.run(&self.service, &mut out),
                    Step::Ask(errand) if conversation.is_concurrent() => {
                        let (server, writer) = (self.clone(), Arc::clone(&writer));
                        tokio::spawn(async move {
                            let reply = server.execute(errand).await;
                            send(&writer, &reply).await
                        });
                    }
                    Step::Ask(errand) => out.append(&mut self.execute(errand).await),
                    Step::Wait => break,
                    Step::End => return send(&writer, &out).await,
                }
            }
            if !out.is_empty() {
                send(&writer, &out).await?;
                out.clear();
            }
        }
    }

    async fn execute(&self, errand: Errand) -> Vec<u8> {
        let service = Arc::clone(&self.service);
        let execute = move || {
            let mut reply = Vec::new();
            errand.run(&service, &mut reply);
            reply
        };
        match self.long_requests {
            LongRequests::InPlace => execute(),
            LongRequests::OnBlockingThreads => {
                tokio::task::spawn_blocking(execute).await.expect("commands do not panic")
            }
        }
    }
}

async fn send(writer: &Mutex<OwnedWriteHalf>, reply: &[u8]) -> io::Result<()> {
    writer.lock().await.write_all(reply).await
}
