//! Values as a server writes them, and requests as a client does.

/// A status: `+OK`. `text` must hold no line break.
pub fn encode_simple(text: &str, out: &mut Vec<u8>) {
    encode_line(b'+', text, out);
}

/// An error: `-ERR what is wrong`. Line breaks in `text` become blanks, as they would end the error.
pub fn encode_error(text: &str, out: &mut Vec<u8>) {
    encode_line(b'-', text, out);
}

fn encode_line(kind: u8, text: &str, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

/// A number.
pub fn encode_integer(number: i64, out: &mut Vec<u8>) {
    encode_number(b':', number, out);
}

/// A string of any bytes.
pub fn encode_bulk(bytes: &[u8], out: &mut Vec<u8>) {
    encode_number(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The absence of a string.
pub fn encode_nil(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

/// The beginning of an array; its elements follow.
pub fn encode_array(length: usize, out: &mut Vec<u8>) {
    encode_number(b'*', length, out);
}

fn encode_number(kind: u8, number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A request: an array of strings.
pub fn encode_command<A: AsRef<[u8]>>(arguments: &[A], out: &mut Vec<u8>) {
    encode_array(arguments.len(), out);
    for argument in arguments {
        encode_bulk(argument.as_ref(), out);
    }
}
