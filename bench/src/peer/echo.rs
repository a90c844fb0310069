//! The floor of a round trip: one thread that spins over its connections and sends back what it
//! reads. No server does less.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// What one read takes in at most.
const READ_BYTES: usize = 16 * 1024;

/// Turns between two looks for new connections, which cost a system call, too.
const TURNS_A_LOOK: u32 = 1_000;

pub(super) fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut bytes = vec![0; READ_BYTES];
    for turn in 0_u32.. {
        if turn % TURNS_A_LOOK == 0 || streams.is_empty() {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    streams.push(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        streams.retain_mut(|stream| match stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => stream.write_all(&bytes[..count]).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        });
    }
    Ok(())
}
