//! A static map of slots to servers, as clients of Redis Cluster know it.

use std::fmt::Write as _;

use crate::failure::Failure;

/// Slots that keys fall into.
pub const SLOT_COUNT: u16 = 16_384;

/// A server of the cluster, and the slots it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Host, as clients reach it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The first of its slots.
    pub first_slot: u16,
    /// The last of its slots.
    pub last_slot: u16,
}

impl Node {
    /// Where clients reach it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// 40 hexadecimal digits that name it, the same in every process.
    #[must_use]
    pub fn id(&self) -> String {
        let address = self.address();
        let mut id = String::new();
        for salt in 0..10 {
            let _ = write!(id, "{:04x}", crc16(format!("{address}/{salt}").as_bytes()));
        }
        id
    }
}

/// Which server has which slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    nodes: Vec<Node>,
    own: usize,
}

/// A map that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The server itself has no place in it.
    #[error("no node of the cluster is {0}, where this server listens")]
    NotAMember(String),
    /// A node's slots end before they begin, or beyond the last there is.
    #[error("node {0} has slots outside of 0 to 16383, or in the wrong order")]
    BadSlots(String),
    /// Two servers have the same slot.
    #[error("two nodes have slot {0}; give each slot to one")]
    Overlap(u16),
}

impl Cluster {
    /// The map of `nodes`, seen from the one at `own_address`.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn new(mut nodes: Vec<Node>, own_address: &str) -> Result<Self, ClusterError> {
        nodes.sort_by_key(|node| node.first_slot);
        for node in &nodes {
            if node.first_slot > node.last_slot || node.last_slot >= SLOT_COUNT {
                return Err(ClusterError::BadSlots(node.address()));
            }
        }
        if let Some(pair) = nodes.windows(2).find(|pair| pair[0].last_slot >= pair[1].first_slot) {
            return Err(ClusterError::Overlap(pair[1].first_slot));
        }
        let own = nodes.iter().position(|node| node.address() == own_address);
        let own = own.ok_or_else(|| ClusterError::NotAMember(own_address.to_owned()))?;
        Ok(Self { nodes, own })
    }

    /// All servers, by their slots.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// This server.
    #[must_use]
    pub fn own(&self) -> &Node {
        &self.nodes[self.own]
    }

    /// Whether this server has all of these keys.
    ///
    /// # Errors
    /// They are another's, or several others'.
    pub fn check<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Result<(), Failure> {
        let mut slots = keys.map(slot);
        let Some(slot) = slots.next() else { return Ok(()) };
        if slots.any(|other| other != slot) {
            return Err(Failure::CrossSlot);
        }
        let has_it = |node: &Node| (node.first_slot..=node.last_slot).contains(&slot);
        match self.nodes.iter().position(has_it) {
            Some(index) if index == self.own => Ok(()),
            Some(index) => Err(Failure::Moved { slot, address: self.nodes[index].address() }),
            None => Err(Failure::SlotNotServed),
        }
    }
}

/// The slot of a key: of what stands between its first braces, if something does.
#[must_use]
pub fn slot(key: &[u8]) -> u16 {
    let tag = memchr::memchr(b'{', key).and_then(|open| {
        let rest = &key[open + 1..];
        memchr::memchr(b'}', rest).map(|len| &rest[..len])
    });
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key)) % SLOT_COUNT
}

/// CRC-16/XMODEM: polynomial 0x1021, from 0, most significant bit first.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ CRC_TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

static CRC_TABLE: [u16; 256] = {
    let (mut table, mut index) = ([0; 256], 0);
    while index < 256 {
        let (mut crc, mut bit) = ((index as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16, first_slot: u16, last_slot: u16) -> Node {
        Node { host: "127.0.0.1".to_owned(), port, first_slot, last_slot }
    }

    /// The check value of the CRC's catalogue, and slots that Redis's documentation names.
    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, expected) in [("foo", 12_182), ("bar", 5_061), ("somekey", 11_058)] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        for (key, tag) in [("{user1}.a", "user1"), ("a{b}{c}", "b"), ("a{{b}}c", "{b")] {
            assert_eq!(slot(key.as_bytes()), slot(tag.as_bytes()), "{key}");
        }
        assert_eq!(slot(b"a{}b"), crc16(b"a{}b") % SLOT_COUNT, "an empty tag is none");
    }

    #[test]
    fn keys_of_others_are_sent_there() {
        let nodes = vec![node(7002, 8_000, 16_000), node(7001, 0, 7_999)];
        let cluster = Cluster::new(nodes, "127.0.0.1:7001").unwrap();
        let check = |keys: &[&str]| cluster.check(keys.iter().map(|key| key.as_bytes()));
        assert_eq!(check(&["bar"]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        let address = "127.0.0.1:7002".to_owned();
        assert_eq!(check(&["foo"]), Err(Failure::Moved { slot: 12_182, address }));
        assert_eq!(check(&["foo", "bar"]), Err(Failure::CrossSlot));
    }

    #[test]
    fn a_map_that_contradicts_itself_is_refused() {
        let refused = |nodes, own: &str| Cluster::new(nodes, own).unwrap_err();
        let own = "127.0.0.1:1";
        assert_eq!(refused(vec![node(1, 5, 4)], own), ClusterError::BadSlots(own.to_owned()));
        assert_eq!(refused(vec![node(1, 0, 5), node(2, 5, 9)], own), ClusterError::Overlap(5));
        assert_eq!(refused(vec![node(2, 0, 5)], own), ClusterError::NotAMember(own.to_owned()));
    }
}
