//! The agent's side of the fast path: keeps the ring of offers as the policy means it.
//!
//! The tail is the agent's; CPUs move the head past the offers they look at, by an exchange. The
//! agent moves it in the same way past offers that are void, else CPUs about to idle would have to.
//! A place is filled anew only when the head is past it: whoever read it before fails to take it.

use std::sync::atomic::Ordering;

use revenant_bpf::abi::{self, OFFERS_MAX};

use crate::offer::Offer;
use crate::task::{Seq, TaskId};

/// What was published last, to see at a glance that nothing is to be done.
#[derive(Debug)]
pub(super) struct FastPath {
    offers: Vec<Offer>,
    head: u64,
}

impl FastPath {
    pub(super) fn new() -> Self {
        Self { offers: Vec::with_capacity(OFFERS_MAX), head: 0 }
    }

    /// Puts `offers` into the ring, those it has keeping their places, and takes void ones from its
    /// front. What does not fit is left out.
    pub(super) fn publish(&mut self, ring: &abi::Offers, offers: &[Offer]) {
        let offers = &offers[..offers.len().min(OFFERS_MAX)];
        // Acquire pairs with the CPUs' exchange: a place they are past is ours to fill.
        let head = ring.head.load(Ordering::Acquire);
        if head == self.head && self.offers == offers {
            return;
        }
        let old_tail = ring.tail.load(Ordering::Relaxed);
        let head = discard(ring, head..old_tail, offers);
        let mut tail = old_tail;
        for offer in offers {
            let is_there = (head..old_tail).any(|place| read(ring, place) == *offer);
            if !is_there && tail - head < OFFERS_MAX as u64 {
                write(ring, tail, offer);
                tail += 1;
            }
        }
        // Release: whoever sees the tail sees what is before it.
        ring.tail.store(tail, Ordering::Release);
        self.head = head;
        self.offers.clear();
        self.offers.extend_from_slice(offers);
    }
}

/// Moves the head past offers that are not among `offers`. Returns where it is then.
fn discard(ring: &abi::Offers, places: std::ops::Range<u64>, offers: &[Offer]) -> u64 {
    let (mut head, tail) = (places.start, places.end);
    while head < tail && !offers.contains(&read(ring, head)) {
        let next = head + 1;
        // As a CPU does; one that was faster has moved it.
        head = match ring.head.compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => next,
            Err(moved) => moved,
        };
    }
    head
}

fn read(ring: &abi::Offers, place: u64) -> Offer {
    let offer = &ring.ring[place as usize % OFFERS_MAX];
    Offer {
        task: TaskId::from_bits(offer.task.load(Ordering::Relaxed)),
        seq: Seq(offer.seq.load(Ordering::Relaxed)),
        slice_ns: offer.slice_ns.load(Ordering::Relaxed),
    }
}

fn write(ring: &abi::Offers, place: u64, offer: &Offer) {
    let target = &ring.ring[place as usize % OFFERS_MAX];
    target.task.store(offer.task.to_bits(), Ordering::Relaxed);
    target.seq.store(offer.seq.0, Ordering::Relaxed);
    target.slice_ns.store(offer.slice_ns, Ordering::Relaxed);
}
