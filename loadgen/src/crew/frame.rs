//! Frames between coordinator and agents: a length and as many bytes, with a bound.

use std::io::{self, Read, Write};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::LATENCY_MAX_NS;
use crate::tally::{ClassTally, DIGITS};

/// Most bytes of a frame: a histogram takes at most 600 kB, a job with the longest traffic less.
const FRAME_MAX: u32 = 4 << 20;

/// Sends bytes.
pub(super) fn send(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= FRAME_MAX);
    let length = length.ok_or_else(|| broken("a frame above the bound"))?;
    let frame = [&length.to_le_bytes(), bytes].concat();
    stream.write_all(&frame)
}

/// Receives bytes, in memory for at most a frame.
pub(super) fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > FRAME_MAX {
        return Err(broken("a frame above the bound: is this an agent of this program?"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Sends a message.
pub(super) fn send_message(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    send(stream, &serde_json::to_vec(message)?)
}

/// Receives a message.
pub(super) fn receive_message<M: DeserializeOwned>(stream: &mut impl Read) -> io::Result<M> {
    let bytes = receive(stream)?;
    serde_json::from_slice(&bytes).map_err(|error| broken(&format!("no message of ours: {error}")))
}

/// Sends the histograms of a tally.
pub(super) fn send_histograms(stream: &mut impl Write, tally: &ClassTally) -> io::Result<()> {
    for histogram in &tally.histograms {
        let mut bytes = Vec::new();
        let serialized = V2Serializer::new().serialize(histogram, &mut bytes);
        serialized.map_err(|error| broken(&format!("a histogram: {error}")))?;
        send(stream, &bytes)?;
    }
    Ok(())
}

/// Receives them, and checks that they can be merged.
pub(super) fn receive_histograms(stream: &mut impl Read, tally: &mut ClassTally) -> io::Result<()> {
    for histogram in &mut tally.histograms {
        let bytes = receive(stream)?;
        let received: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| broken(&format!("no histogram: {error}")))?;
        if (received.high(), received.sigfig()) != (LATENCY_MAX_NS, DIGITS) {
            return Err(broken("a histogram with other bounds"));
        }
        *histogram = received;
    }
    Ok(())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{Outcome, Span, Stamps};

    #[test]
    fn a_tally_arrives_as_it_was_sent() {
        let span = Span { start_ns: 0, end_ns: 1_000_000 };
        let mut tally = ClassTally::new(span);
        for at_ns in (0..1_000_000).step_by(1_000) {
            let stamps = Stamps { intended_ns: at_ns, sent_ns: at_ns + 5, done_ns: at_ns * 3 + 7 };
            tally.add(stamps, if at_ns == 0 { Outcome::Lost } else { Outcome::Answered });
        }
        let mut wire = Vec::new();
        send_histograms(&mut wire, &tally).unwrap();
        let mut received = ClassTally::new(span);
        receive_histograms(&mut wire.as_slice(), &mut received).unwrap();
        assert!(received.histograms == tally.histograms);
    }

    #[test]
    fn what_is_no_frame_is_refused_before_it_takes_memory() {
        let error = receive(&mut &[0xff; 8][..]).unwrap_err().to_string();
        assert!(error.contains("above the bound"), "{error}");
        assert!(receive(&mut &[4, 0, 0, 0, 1][..]).is_err(), "cut short");
        let mut junk = Vec::new();
        send(&mut junk, b"{}").unwrap();
        assert!(receive_message::<Vec<u8>>(&mut junk.as_slice()).is_err());
    }

    #[test]
    fn histograms_with_other_bounds_are_refused() {
        let mut wire = Vec::new();
        let mut bytes = Vec::new();
        let other = Histogram::<u64>::new_with_max(1_000, 2).unwrap();
        V2Serializer::new().serialize(&other, &mut bytes).unwrap();
        send(&mut wire, &bytes).unwrap();
        let mut tally = ClassTally::new(Span { start_ns: 0, end_ns: 1 });
        assert!(receive_histograms(&mut wire.as_slice(), &mut tally).is_err());
    }
}
