//! Requests of one connection whose replies have not come.

use std::collections::VecDeque;

use slab::Slab;

use crate::dialect::Protocol;

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) class: u16,
    pub(super) intended_ns: u64,
    pub(super) sent_ns: u64,
}

/// All of a connection, matched with replies as its protocol does.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The next reply answers the oldest.
    InOrder(VecDeque<Pending>),
    /// Replies name whom they answer.
    ById(Slab<Pending>),
}

impl Waiting {
    pub(super) fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Resp => Self::InOrder(VecDeque::new()),
            Protocol::Native => Self::ById(Slab::new()),
        }
    }

    /// Takes a request in; returns the id to send it with.
    pub(super) fn insert(&mut self, pending: Pending) -> u64 {
        match self {
            Self::InOrder(queue) => {
                queue.push_back(pending);
                0
            }
            Self::ById(slab) => slab.insert(pending) as u64,
        }
    }

    /// The request that a reply answers; `None` if nobody asked.
    pub(super) fn take(&mut self, id: Option<u64>) -> Option<Pending> {
        match (self, id) {
            (Self::InOrder(queue), _) => queue.pop_front(),
            (Self::ById(slab), Some(id)) => slab.try_remove(usize::try_from(id).ok()?),
            (Self::ById(_), None) => None,
        }
    }

    /// All of them, none left.
    pub(super) fn drain(&mut self) -> Vec<Pending> {
        match self {
            Self::InOrder(queue) => queue.drain(..).collect(),
            Self::ById(slab) => slab.drain().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(intended_ns: u64) -> Pending {
        Pending { class: 0, intended_ns, sent_ns: intended_ns }
    }

    #[test]
    fn text_is_matched_in_order_and_frames_by_id() {
        let mut resp = Waiting::new(Protocol::Resp);
        let mut native = Waiting::new(Protocol::Native);
        let ids: Vec<u64> = [1, 2, 3].map(|at| native.insert(pending(at))).to_vec();
        for at in [1, 2, 3] {
            resp.insert(pending(at));
        }
        assert_eq!(resp.take(None), Some(pending(1)));
        assert_eq!(native.take(Some(ids[2])), Some(pending(3)));
        assert_eq!(native.take(Some(ids[2])), None, "answered twice");
        assert_eq!(native.take(Some(99)), None, "never asked");
        assert_eq!(resp.drain(), [pending(2), pending(3)]);
        assert_eq!(native.drain(), [pending(1), pending(2)]);
        assert_eq!(resp.take(None), None);
    }
}
