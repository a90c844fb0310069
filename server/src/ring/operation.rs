//! What a completion belongs to, in the 64 bits that go through the kernel with an operation.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::transport::Key;

/// Bits for the kind; the rest is a number.
const KIND_BITS: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Accept(usize),
    Receive(Key),
    Send(Key),
    Port(usize),
    Bell,
    Cancel,
}

impl Operation {
    pub(super) const fn to_bits(self) -> u64 {
        let (kind, number) = match self {
            Self::Accept(listener) => (0, listener as u64),
            Self::Receive(key) => (1, key.0 as u64),
            Self::Send(key) => (2, key.0 as u64),
            Self::Port(port) => (3, port as u64),
            Self::Bell => (4, 0),
            Self::Cancel => (5, 0),
        };
        number << KIND_BITS | kind
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        let number = bits >> KIND_BITS;
        match bits as u8 {
            0 => Self::Accept(number as usize),
            1 => Self::Receive(Key(number as u32)),
            2 => Self::Send(Key(number as u32)),
            3 => Self::Port(number as usize),
            4 => Self::Bell,
            _ => Self::Cancel,
        }
    }
}

/// The socket that an accept completed with.
pub(super) fn descriptor(result: i32) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    // SAFETY: the kernel made this descriptor for this completion, which is read once.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_survive_their_way_through_the_kernel() {
        let key = Key(u32::MAX);
        for operation in [
            Operation::Accept(3),
            Operation::Receive(key),
            Operation::Send(key),
            Operation::Port(1),
            Operation::Bell,
            Operation::Cancel,
        ] {
            assert_eq!(Operation::from_bits(operation.to_bits()), operation);
        }
    }
}
