//! Elements of an array's body: a tag, then what it stands for. Arrays may hold arrays.

const NIL: u8 = 0;
const BULK: u8 = 1;
const INTEGER: u8 = 2;
const ARRAY: u8 = 3;

/// An element, borrowed from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'b> {
    /// Nothing.
    Nil,
    /// A string.
    Bulk(&'b [u8]),
    /// A number.
    Integer(i64),
    /// This many of the elements that follow belong to an array.
    Array(u32),
}

impl<'b> Element<'b> {
    /// Takes the next element off `body`; `None` if there is none, or what is there is none.
    pub fn take(body: &mut &'b [u8]) -> Option<Self> {
        let (&tag, rest) = body.split_first()?;
        let (element, rest) = match tag {
            NIL => (Self::Nil, rest),
            BULK => {
                let (length, rest) = rest.split_first_chunk()?;
                let length = u32::from_le_bytes(*length) as usize;
                let (bytes, rest) = rest.split_at_checked(length)?;
                (Self::Bulk(bytes), rest)
            }
            INTEGER => {
                let (number, rest) = rest.split_first_chunk()?;
                (Self::Integer(i64::from_le_bytes(*number)), rest)
            }
            ARRAY => {
                let (length, rest) = rest.split_first_chunk()?;
                (Self::Array(u32::from_le_bytes(*length)), rest)
            }
            _ => return None,
        };
        *body = rest;
        Some(element)
    }
}

/// Appends an element. A string beyond 4 GiB is cut; servers bound values far below.
pub fn encode_element(element: Element<'_>, out: &mut Vec<u8>) {
    match element {
        Element::Nil => out.push(NIL),
        Element::Bulk(bytes) => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            out.push(BULK);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&bytes[..length as usize]);
        }
        Element::Integer(number) => {
            out.push(INTEGER);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Element::Array(length) => {
            out.push(ARRAY);
            out.extend_from_slice(&length.to_le_bytes());
        }
    }
}
