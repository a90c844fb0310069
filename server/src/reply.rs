//! Replies as commands write them, whatever protocol they leave by.

use revenant_wire::native::{Element, HEADER_LEN, ReplyHeader, Status, encode_element};
use revenant_wire::resp;

use crate::failure::Failure;
use crate::request::Request;

/// Writes one reply behind what `out` holds. In native frames the outermost value is told by the
/// header's status, and those within an array are elements; the header is filled in on drop.
#[derive(Debug)]
pub struct Reply<'o> {
    out: &'o mut Vec<u8>,
    begin: usize,
    native: Option<ReplyHeader>,
    is_in_array: bool,
}

/// An array whose length is known only after its elements.
#[derive(Clone, Copy, Debug)]
#[must_use = "an open array has to be closed"]
pub struct OpenArray {
    at: usize,
    is_outermost: bool,
}

impl<'o> Reply<'o> {
    /// A reply to `request`.
    pub fn to(request: &Request, out: &'o mut Vec<u8>) -> Self {
        let native = request.native().map(|header| ReplyHeader {
            status: Status::Ok,
            retry_after_us: 0,
            id: header.id,
            number: 0,
            body_len: 0,
        });
        let begin = out.len();
        let mut reply = Self { out, begin, native, is_in_array: false };
        reply.restart();
        reply
    }

    /// Forgets what was written of this reply.
    pub fn restart(&mut self) {
        self.out.truncate(self.begin);
        self.is_in_array = false;
        if let Some(header) = &mut self.native {
            *header = ReplyHeader { status: Status::Ok, retry_after_us: 0, number: 0, ..*header };
            self.out.resize(self.begin + HEADER_LEN, 0);
        }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.out.len() - self.begin
    }

    /// Done, and nothing to return.
    pub fn ok(&mut self) {
        match self.native {
            None => resp::encode_simple("OK", self.out),
            Some(_) if self.is_in_array => encode_element(Element::Bulk(b"OK"), self.out),
            Some(_) => {}
        }
    }

    /// A status.
    pub fn simple(&mut self, text: &str) {
        match self.native {
            None => resp::encode_simple(text, self.out),
            Some(_) => self.bulk(text.as_bytes()),
        }
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        match self.native {
            None => resp::encode_bulk(bytes, self.out),
            Some(_) if self.is_in_array => encode_element(Element::Bulk(bytes), self.out),
            Some(_) => self.out.extend_from_slice(bytes),
        }
    }

    /// The absence of a string.
    pub fn nil(&mut self) {
        match &mut self.native {
            None => resp::encode_nil(self.out),
            Some(_) if self.is_in_array => encode_element(Element::Nil, self.out),
            Some(header) => header.status = Status::Nil,
        }
    }

    /// A number.
    pub fn integer(&mut self, number: i64) {
        match &mut self.native {
            None => resp::encode_integer(number, self.out),
            Some(_) if self.is_in_array => encode_element(Element::Integer(number), self.out),
            Some(header) => (header.status, header.number) = (Status::Integer, number),
        }
    }

    /// The beginning of an array; `length` values follow.
    pub fn array(&mut self, length: usize) {
        match &mut self.native {
            None => resp::encode_array(length, self.out),
            Some(_) if self.is_in_array => {
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                encode_element(Element::Array(length), self.out);
            }
            Some(header) => (header.status, header.number) = (Status::Array, length as i64),
        }
        self.is_in_array = true;
    }

    /// The beginning of an array whose length is not yet known: write its values, then
    /// [`Self::close_array`].
    pub fn open_array(&mut self) -> OpenArray {
        let is_outermost = !self.is_in_array;
        self.is_in_array = true;
        OpenArray { at: self.out.len(), is_outermost }
    }

    /// The end of an array, which turned out to have `length` values. Moves them: RESP has the
    /// length before them.
    pub fn close_array(&mut self, array: OpenArray, length: usize) {
        let end = self.out.len();
        self.is_in_array = !array.is_outermost;
        self.array(length);
        let head_len = self.out.len() - end;
        self.out[array.at..].rotate_right(head_len);
    }

    /// Instead of what was written: why it failed.
    pub fn failure(&mut self, failure: &Failure) {
        self.restart();
        match &mut self.native {
            None => resp::encode_error(&failure.to_string(), self.out),
            Some(header) => {
                header.status = failure.status();
                header.retry_after_us = failure.retry_after_us();
                self.out.extend_from_slice(failure.to_string().as_bytes());
            }
        }
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        if let Some(header) = &mut self.native {
            let body = self.begin + HEADER_LEN;
            header.body_len = self.out.len() - body;
            self.out[self.begin..body].copy_from_slice(&header.encode());
        }
    }
}
