//! Queues of waiting tasks: a task stands in one of them, once.

use crate::enclave::Enclave;
use crate::task::{Task, TaskId};

const NONE: u32 = u32::MAX;

/// A task's place in a queue.
#[derive(Clone, Copy, Debug)]
struct Link {
    task: TaskId,
    before: u32,
    after: u32,
    queue: u32,
}

const UNLINKED: Link =
    Link { task: TaskId { index: 0, generation: 0 }, before: NONE, after: NONE, queue: NONE };

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
    len: usize,
}

const EMPTY: Ends = Ends { first: NONE, last: NONE, len: 0 };

/// Several queues over one table of links, one link a task.
///
/// A task that is queued again moves instead of standing twice, so that all queues together never
/// hold more than the enclave's tasks. A task that died, blocked or was placed by other means while
/// it stood here may stay: it is passed over when its turn comes.
#[derive(Debug, Default)]
pub struct RunQueues {
    links: Vec<Link>,
    ends: Vec<Ends>,
    len: usize,
}

impl RunQueues {
    /// Empties everything and makes `queues` queues for every task `enclave` can hold.
    pub fn attach(&mut self, enclave: &Enclave, queues: usize) {
        self.links.clear();
        self.links.resize(enclave.tasks_max(), UNLINKED);
        self.ends.clear();
        self.ends.resize(queues, EMPTY);
        self.len = 0;
    }

    /// Adds a task at the end of `queue`.
    pub fn push_back(&mut self, queue: usize, task: TaskId) {
        self.remove(task.index);
        let last = self.ends[queue].last;
        self.links[task.index as usize] =
            Link { task, before: last, after: NONE, queue: queue as u32 };
        match last {
            NONE => self.ends[queue].first = task.index,
            _ => self.links[last as usize].after = task.index,
        }
        self.ends[queue].last = task.index;
        self.ends[queue].len += 1;
        self.len += 1;
    }

    /// Adds a task at the front of `queue`.
    pub fn push_front(&mut self, queue: usize, task: TaskId) {
        self.remove(task.index);
        let first = self.ends[queue].first;
        self.links[task.index as usize] =
            Link { task, before: NONE, after: first, queue: queue as u32 };
        match first {
            NONE => self.ends[queue].last = task.index,
            _ => self.links[first as usize].before = task.index,
        }
        self.ends[queue].first = task.index;
        self.ends[queue].len += 1;
        self.len += 1;
    }

    /// Takes out whoever stands here under this place of the task table.
    pub fn remove(&mut self, index: u32) {
        let link = self.links[index as usize];
        if link.queue == NONE {
            return;
        }
        self.links[index as usize] = UNLINKED;
        self.len -= 1;
        let ends = &mut self.ends[link.queue as usize];
        ends.len -= 1;
        match link.before {
            NONE => ends.first = link.after,
            before => self.links[before as usize].after = link.after,
        }
        match link.after {
            NONE => self.ends[link.queue as usize].last = link.before,
            after => self.links[after as usize].before = link.before,
        }
    }

    /// How many queues there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// How many stand in `queue`, those to be passed over included.
    pub fn len(&self, queue: usize) -> usize {
        self.ends[queue].len
    }

    /// How many stand in any queue, those to be passed over included.
    pub fn total_len(&self) -> usize {
        self.len
    }

    /// The tasks of `queue` that still wait, first to last.
    pub fn iter<'e>(&self, queue: usize, enclave: &'e Enclave) -> impl Iterator<Item = &'e Task> {
        let link = |index: u32| (index != NONE).then(|| self.links[index as usize]);
        let first = self.ends.get(queue).and_then(|ends| link(ends.first));
        let links = std::iter::successors(first, move |before| link(before.after));
        links.filter_map(|link| enclave.queued(link.task))
    }

    /// The first task of `queue` that still waits, without taking it.
    pub fn front<'e>(&mut self, queue: usize, enclave: &'e Enclave) -> Option<&'e Task> {
        while self.ends[queue].first != NONE {
            let first = self.ends[queue].first;
            let task = enclave.queued(self.links[first as usize].task);
            if task.is_some() {
                return task;
            }
            self.remove(first);
        }
        None
    }

    /// Takes the first task of `queue` that still waits.
    pub fn pop_front<'e>(&mut self, queue: usize, enclave: &'e Enclave) -> Option<&'e Task> {
        let task = self.front(queue, enclave)?;
        self.remove(task.id.index);
        Some(task)
    }
}

/// One queue: tasks in the order they should run. See [`RunQueues`].
#[derive(Debug, Default)]
pub struct RunQueue {
    queues: RunQueues,
}

impl RunQueue {
    /// Empties the queue and makes room for every task `enclave` can hold.
    pub fn attach(&mut self, enclave: &Enclave) {
        self.queues.attach(enclave, 1);
    }

    /// Adds a task at the end.
    pub fn push_back(&mut self, task: TaskId) {
        self.queues.push_back(0, task);
    }

    /// Adds a task at the front: it was next, and its transaction failed.
    pub fn push_front(&mut self, task: TaskId) {
        self.queues.push_front(0, task);
    }

    /// The tasks that still wait, first to last.
    pub fn iter<'e>(&self, enclave: &'e Enclave) -> impl Iterator<Item = &'e Task> {
        self.queues.iter(0, enclave)
    }

    /// The first task that still waits, without taking it.
    pub fn front<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        self.queues.front(0, enclave)
    }

    /// Takes the first task that still waits.
    pub fn pop_front<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        self.queues.pop_front(0, enclave)
    }

    /// Whether no task waits here.
    pub fn is_empty(&mut self, enclave: &Enclave) -> bool {
        self.front(enclave).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::Hints;
    use crate::status::Status;
    use crate::task::{Seq, TaskState};
    use crate::topology::Topology;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const TASKS: u32 = 6;

    fn id(index: u32) -> TaskId {
        TaskId { index, generation: 0 }
    }

    /// All tasks wait, except those whose bit is set in `gone`.
    fn enclave(gone: u32) -> Enclave {
        let mut enclave = Enclave::new(Topology::flat(1), TASKS as usize);
        for index in (0..TASKS).filter(|index| gone & 1 << index == 0) {
            let status = Status { seq: Seq(1), state: TaskState::Queued, ..Status::default() };
            enclave.discover(id(index), &status, Hints::default(), 0);
        }
        enclave
    }

    proptest! {
        #[test]
        fn two_queues_behave_as_two_lists_without_duplicates(
            steps in proptest::collection::vec((0..4u8, 0..2usize, 0..TASKS), 0..80),
            gone in 0u32..(1 << TASKS),
        ) {
            let enclave = enclave(gone);
            let mut queues = RunQueues::default();
            queues.attach(&enclave, 2);
            let mut model = [VecDeque::new(), VecDeque::new()];
            for (step, queue, task) in steps {
                if step < 3 {
                    model.iter_mut().for_each(|list| list.retain(|other| *other != task));
                }
                match step {
                    0 => { queues.push_back(queue, id(task)); model[queue].push_back(task); }
                    1 => { queues.push_front(queue, id(task)); model[queue].push_front(task); }
                    2 => queues.remove(task),
                    _ => {
                        while model[queue].front().is_some_and(|task| gone & 1 << task != 0) {
                            model[queue].pop_front();
                        }
                        let popped = queues.pop_front(queue, &enclave).map(|task| task.id.index);
                        prop_assert_eq!(popped, model[queue].pop_front());
                    }
                }
                prop_assert_eq!(queues.len(0), model[0].len());
                prop_assert_eq!(queues.len(1), model[1].len());
                prop_assert!(queues.len(0) + queues.len(1) <= TASKS as usize);
            }
        }
    }
}
