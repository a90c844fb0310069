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
    ById {
        /// Requests, each with its id.
        slab: Slab<(u64, Pending)>,
        /// How many there were so far.
        inserted: u64,
    },
}

/// An id has the request's place in its lower half and the count of requests before in its upper one:
/// places are used again, ids are not, so a reply that comes late or twice answers nobody. The count
/// begins anew after 2^32, when a reply would have to be 2^32 requests late.
const PLACE_BITS: u32 = 32;

impl Waiting {
    pub(super) fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Resp => Self::InOrder(VecDeque::new()),
            Protocol::Native => Self::ById { slab: Slab::new(), inserted: 0 },
        }
    }

    /// Takes a request in; returns the id to send it with.
    pub(super) fn insert(&mut self, pending: Pending) -> u64 {
        match self {
            Self::InOrder(queue) => {
                queue.push_back(pending);
                0
            }
            Self::ById { slab, inserted } => {
                let place = slab.vacant_entry();
                let id = (*inserted << PLACE_BITS) | place.key() as u64;
                *inserted += 1;
                place.insert((id, pending));
                id
            }
        }
    }

    /// Whether a reply would answer a request.
    pub(super) fn has(&self, id: Option<u64>) -> bool {
        match (self, id) {
            (Self::InOrder(queue), _) => !queue.is_empty(),
            (Self::ById { slab, .. }, Some(id)) => {
                slab.get(place_of(id)).is_some_and(|(known, _)| *known == id)
            }
            (Self::ById { .. }, None) => false,
        }
    }

    /// The request that a reply answers; `None` if nobody asked.
    pub(super) fn take(&mut self, id: Option<u64>) -> Option<Pending> {
        if !self.has(id) {
            return None;
        }
        match self {
            Self::InOrder(queue) => queue.pop_front(),
            Self::ById { slab, .. } => Some(slab.remove(place_of(id?)).1),
        }
    }

    /// Takes out what was sent before a time. Only of what is matched by id: replies in order must find
    /// those they answer.
    pub(super) fn take_sent_before(&mut self, time_ns: u64) -> Vec<Pending> {
        let mut taken = Vec::new();
        if let Self::ById { slab, .. } = self {
            slab.retain(|_, (_, pending)| {
                let is_young = pending.sent_ns >= time_ns;
                if !is_young {
                    taken.push(*pending);
                }
                is_young
            });
        }
        taken
    }

    /// All of them, none left.
    pub(super) fn drain(&mut self) -> Vec<Pending> {
        match self {
            Self::InOrder(queue) => queue.drain(..).collect(),
            Self::ById { slab, .. } => slab.drain().map(|(_, pending)| pending).collect(),
        }
    }
}

fn place_of(id: u64) -> usize {
    (id & ((1 << PLACE_BITS) - 1)) as usize
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

    #[test]
    fn an_id_is_never_that_of_a_later_request() {
        let mut native = Waiting::new(Protocol::Native);
        let first = native.insert(pending(1));
        assert_eq!(native.take(Some(first)), Some(pending(1)));
        let second = native.insert(pending(2));
        assert_eq!(native.take(Some(first)), None, "the reply came twice");
        assert_eq!(native.take(Some(second)), Some(pending(2)));
    }

    #[test]
    fn what_was_sent_long_ago_is_taken_out_by_id_alone() {
        let (mut resp, mut native) = (Waiting::new(Protocol::Resp), Waiting::new(Protocol::Native));
        let ids = [1, 5, 2].map(|at| native.insert(pending(at)));
        resp.insert(pending(1));
        assert_eq!(native.take_sent_before(3), [pending(1), pending(2)]);
        assert_eq!(
            (native.take(Some(ids[0])), native.take(Some(ids[1]))),
            (None, Some(pending(5)))
        );
        assert_eq!((resp.take_sent_before(3), resp.take(None)), (vec![], Some(pending(1))));
    }
}
