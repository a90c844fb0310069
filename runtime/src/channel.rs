//! Channels: bounded message queues, one producer, one consumer.
//!
//! # Rules of this memory
//! - A slot belongs to the producer from the moment the consumer's `head` passes it until the
//!   producer's `tail` does, and to the consumer otherwise. Only the producer stores `tail`, only
//!   the consumer stores `head`.
//! - Exactly one thread at a time is the producer, and one the consumer. The types say so: both
//!   handles need `&mut`. A producer that moves between threads (the owner of a CPU) hands over
//!   with a release/acquire pair of its own.
//! - A full channel loses the message, sets `overflow`, and says so to the producer. The consumer
//!   then rebuilds its image from status words: nothing but time is lost.

use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::message::Message;
use crate::sync::{AtomicBool, AtomicUsize, Ordering, UnsafeCell};

#[derive(Debug)]
struct Ring {
    slots: Box<[UnsafeCell<Message>]>,
    /// Next slot to read.
    head: CachePadded<AtomicUsize>,
    /// Next slot to write.
    tail: CachePadded<AtomicUsize>,
    overflow: AtomicBool,
}

// SAFETY: slots are reached only through `Producer` and `Consumer`, of which there is one each, and
// each touches a slot only while the indices say it is its own (rules of this memory).
unsafe impl Sync for Ring {}
// SAFETY: a ring holds plain messages and atomics, none of them bound to a thread.
unsafe impl Send for Ring {}

/// The writing end.
#[derive(Debug)]
pub struct Producer {
    ring: Arc<Ring>,
    /// The consumer's head as last seen: saves a shared read while the ring cannot be full.
    head_seen: usize,
}

/// The reading end.
#[derive(Debug)]
pub struct Consumer {
    ring: Arc<Ring>,
}

/// A channel of at most `capacity` messages.
///
/// # Panics
/// If `capacity` is not a power of two.
pub fn channel(capacity: usize) -> (Producer, Consumer) {
    assert!(capacity.is_power_of_two(), "a channel's capacity is a power of two, not {capacity}");
    let ring = Arc::new(Ring {
        slots: (0..capacity).map(|_| UnsafeCell::new(Message::default())).collect(),
        head: CachePadded::new(AtomicUsize::new(0)),
        tail: CachePadded::new(AtomicUsize::new(0)),
        overflow: AtomicBool::new(false),
    });
    (Producer { ring: Arc::clone(&ring), head_seen: 0 }, Consumer { ring })
}

impl Producer {
    /// Posts a message; `false` if the channel is full and the message is lost.
    #[must_use]
    pub fn post(&mut self, message: Message) -> bool {
        let ring = &*self.ring;
        let tail = ring.tail.load(Ordering::Relaxed);
        if tail.wrapping_sub(self.head_seen) == ring.slots.len() {
            // Pairs with the release of `head` in `read`: the slot's last reader is done with it.
            self.head_seen = ring.head.load(Ordering::Acquire);
            if tail.wrapping_sub(self.head_seen) == ring.slots.len() {
                // Pairs with the swap in `take_overflow`: the status words published before this
                // loss are what the rescan will read.
                ring.overflow.store(true, Ordering::Release);
                return false;
            }
        }
        ring.slots[tail & (ring.slots.len() - 1)].with_mut(|slot| {
            // SAFETY: head has passed this slot and tail has not, so it is the producer's alone.
            unsafe { *slot = message }
        });
        // Pairs with the acquire of `tail` in `read`: publishes the slot and all before it.
        ring.tail.store(tail.wrapping_add(1), Ordering::Release);
        true
    }
}

impl Consumer {
    /// Takes the oldest unread message.
    pub fn read(&mut self) -> Option<Message> {
        let message = self.peek()?;
        let head = self.ring.head.load(Ordering::Relaxed);
        // Pairs with the acquire of `head` in `post`: the slot may be written again.
        self.ring.head.store(head.wrapping_add(1), Ordering::Release);
        Some(message)
    }

    /// The oldest unread message, left where it is.
    pub fn peek(&mut self) -> Option<Message> {
        let ring = &*self.ring;
        let head = ring.head.load(Ordering::Relaxed);
        // Pairs with the release of `tail` in `post`.
        (head != ring.tail.load(Ordering::Acquire)).then(|| {
            ring.slots[head & (ring.slots.len() - 1)].with(|slot| {
                // SAFETY: tail has passed this slot and head has not, so it is the consumer's alone.
                unsafe { *slot }
            })
        })
    }

    /// Whether nothing is to be read.
    pub fn is_empty(&self) -> bool {
        // Relaxed: whoever reads a message then pairs with its producer in `read`.
        self.ring.head.load(Ordering::Relaxed) == self.ring.tail.load(Ordering::Relaxed)
    }

    /// Whether messages were lost since the last call.
    pub fn take_overflow(&mut self) -> bool {
        // The plain load keeps the usual case free of a locked instruction. Acquire pairs with the
        // release in `post`.
        self.ring.overflow.load(Ordering::Relaxed)
            && self.ring.overflow.swap(false, Ordering::Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::task::Seq;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn message(seq: u32) -> Message {
        Message { seq: Seq(seq), ..Message::default() }
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_bounded_queue(posts in proptest::collection::vec(any::<bool>(), 0..200)) {
            let (mut producer, mut consumer) = channel(8);
            let mut model = VecDeque::new();
            for (index, is_post) in posts.into_iter().enumerate() {
                if is_post {
                    let fits = model.len() < 8;
                    prop_assert_eq!(producer.post(message(index as u32)), fits);
                    if fits {
                        model.push_back(message(index as u32));
                    }
                    prop_assert_eq!(consumer.take_overflow(), !fits);
                } else {
                    prop_assert_eq!(consumer.read(), model.pop_front());
                }
            }
        }
    }

    #[test]
    fn messages_cross_threads_in_order() {
        let (mut producer, mut consumer) = channel(16);
        let thread = std::thread::spawn(move || {
            for seq in 0..10_000 {
                while !producer.post(message(seq)) {
                    std::thread::yield_now();
                }
            }
        });
        for seq in 0..10_000 {
            let next = loop {
                if let Some(next) = consumer.read() {
                    break next;
                }
                std::thread::yield_now();
            };
            assert_eq!(next, message(seq));
        }
        thread.join().unwrap();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::task::Seq;

    #[test]
    fn nothing_is_lost_torn_or_reordered() {
        loom::model(|| {
            let (mut producer, mut consumer) = channel(2);
            let thread = loom::thread::spawn(move || {
                let posted: Vec<u32> = (0..3)
                    .filter(|seq| {
                        producer.post(Message {
                            seq: Seq(*seq),
                            time_ns: u64::from(*seq),
                            ..Message::default()
                        })
                    })
                    .collect();
                posted
            });
            let mut read = Vec::new();
            for _ in 0..2 {
                read.extend(consumer.read());
            }
            let posted = thread.join().unwrap();
            read.extend(std::iter::from_fn(|| consumer.read()));
            assert!(read.iter().all(|m| u64::from(m.seq.0) == m.time_ns));
            assert_eq!(read.iter().map(|m| m.seq.0).collect::<Vec<_>>(), posted);
            assert_eq!(consumer.take_overflow(), posted.len() < 3);
        });
    }
}
