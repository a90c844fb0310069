//! The connections of a run, and which of them takes the next request.

use std::collections::VecDeque;

use super::connection::Connection;
use super::waiting::Pending;

/// Connections by index; those that the server ended are gone.
#[derive(Debug)]
pub(super) struct Pool {
    connections: Vec<Option<Connection>>,
    /// Requests under way on each; gone connections have the most there could be.
    under_way: Vec<u32>,
    /// Connections with nothing under way, the longest idle first. May name some twice or wrongly;
    /// whoever takes one looks.
    idle: VecDeque<usize>,
    in_flight: usize,
    alive: usize,
}

/// Under way on a connection that is gone: never the least.
const GONE: u32 = u32::MAX;

impl Pool {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let count = connections.len();
        Self {
            connections: connections.into_iter().map(Some).collect(),
            under_way: vec![0; count],
            idle: (0..count).collect(),
            in_flight: 0,
            alive: count,
        }
    }

    /// The connection for the next request: one with nothing under way, each in its turn, else the
    /// one with the least. `None` if that is full, or none is left.
    pub(super) fn choose(&mut self) -> Option<usize> {
        while let Some(index) = self.idle.pop_front() {
            if self.under_way[index] == 0 {
                return Some(index);
            }
        }
        let (index, under_way) =
            self.under_way.iter().enumerate().min_by_key(|(_, load)| **load)?;
        if *under_way == GONE {
            return None;
        }
        self.connections[index].as_ref().filter(|connection| !connection.is_full())?;
        Some(index)
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Connection> {
        self.connections[index].as_mut()
    }

    /// Requests under way on a connection.
    pub(super) fn under_way(&self, index: usize) -> u32 {
        self.under_way[index]
    }

    /// A connection that was chosen, to add one request to.
    pub(super) fn borrow_to_send(&mut self, index: usize) -> &mut Connection {
        self.under_way[index] += 1;
        self.in_flight += 1;
        self.connections[index].as_mut().expect("only connections that are there are chosen")
    }

    /// A reply came.
    pub(super) fn returned(&mut self, index: usize) {
        self.in_flight -= 1;
        self.under_way[index] -= 1;
        if self.under_way[index] == 0 {
            self.idle.push_back(index);
        }
    }

    /// What a connection sent before a time: it is under way no more.
    pub(super) fn take_sent_before(&mut self, index: usize, time_ns: u64) -> Vec<Pending> {
        let Some(connection) = &mut self.connections[index] else { return Vec::new() };
        let taken = connection.waiting.take_sent_before(time_ns);
        taken.iter().for_each(|_| self.returned(index));
        taken
    }

    /// Takes a connection out, with what it had under way; `None` if it is gone already.
    pub(super) fn remove(&mut self, index: usize) -> Option<Vec<Pending>> {
        let mut connection = self.connections[index].take()?;
        let pending = connection.waiting.drain();
        self.in_flight -= pending.len();
        self.under_way[index] = GONE;
        self.alive -= 1;
        Some(pending)
    }

    /// Requests under way on all of them.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.alive == 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::dialect::Protocol;
    use crate::link::Link;

    /// A pool of so many connections, and their other ends.
    fn pool(count: usize) -> (Pool, Vec<UnixStream>) {
        let pairs = (0..count).map(|_| UnixStream::pair().unwrap());
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.unzip();
        let connect = |stream| Connection::new(Link::Unix(stream), Protocol::Resp).unwrap();
        (Pool::new(ours.into_iter().map(connect).collect()), theirs)
    }

    fn send(pool: &mut Pool) -> Option<usize> {
        let index = pool.choose()?;
        let pending = Pending { class: 0, intended_ns: 0, sent_ns: 0 };
        pool.borrow_to_send(index).push(pending, |_, _| {});
        Some(index)
    }

    #[test]
    fn idle_connections_take_turns_and_busy_ones_fill_evenly() {
        let (mut pool, _theirs) = pool(3);
        let sent: Vec<_> = (0..3).map(|_| send(&mut pool)).collect();
        assert_eq!(sent, [Some(0), Some(1), Some(2)]);
        pool.returned(1);
        assert_eq!(send(&mut pool), Some(1), "the only idle one");
        assert_eq!((send(&mut pool), pool.under_way(0)), (Some(0), 2), "all have one");
        pool.returned(2);
        pool.returned(1);
        assert_eq!(send(&mut pool), Some(2), "longest idle first");
        assert_eq!(pool.in_flight(), 3);
    }

    #[test]
    fn what_is_gone_is_chosen_no_more_and_leaves_what_it_had() {
        let (mut pool, _theirs) = pool(2);
        for _ in 0..4 {
            send(&mut pool);
        }
        assert_eq!(pool.remove(0).map(|lost| lost.len()), Some(2));
        assert_eq!((pool.remove(0), pool.in_flight()), (None, 2));
        assert_eq!(send(&mut pool), Some(1));
        pool.remove(1);
        assert!(pool.is_empty() && pool.choose().is_none());
    }

    #[test]
    fn a_server_that_does_not_read_fills_its_connection() {
        let (mut pool, _theirs) = pool(1);
        send(&mut pool);
        let connection = pool.get(0).unwrap();
        let pending = Pending { class: 0, intended_ns: 0, sent_ns: 0 };
        connection.push(pending, |_, out| out.resize(16 << 20, 0));
        connection.flush().unwrap();
        assert!(connection.is_full());
        pool.under_way[0] = 2;
        assert_eq!(pool.choose(), None);
    }
}
