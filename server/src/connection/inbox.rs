//! Bytes that came and are not yet a request.

use std::ops::Range;

/// A buffer with a beginning that moves, so that taking out many short requests copies nothing. Has
/// no memory while it is empty: most connections are idle.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    /// What the RESP decoder knows of the incomplete request at the beginning.
    pub arguments: Vec<Range<usize>>,
}

impl Inbox {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Bytes of memory that it takes.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Adds what came.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes a request out.
    pub fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.bytes.len(), "no more is taken than there is");
    }

    /// Moves the rest to the front if that costs less than it saves; gives memory back if nothing
    /// is left.
    pub fn tidy(&mut self) {
        if self.is_empty() {
            (self.bytes, self.start, self.arguments) = (Vec::new(), 0, Vec::new());
        } else if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
