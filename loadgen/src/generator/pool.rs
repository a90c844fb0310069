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
