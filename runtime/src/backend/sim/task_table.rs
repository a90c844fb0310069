//! The machine's tasks, by id.

use slab::Slab;

use super::work::Work;
use crate::task::TaskId;

/// A bounded table. Places are reused, generations are not.
#[derive(Debug)]
pub(super) struct TaskTable {
    works: Slab<Work>,
    /// How many tasks each place has had.
    generations: Vec<u32>,
}

impl TaskTable {
    pub(super) fn with_capacity(tasks_max: usize) -> Self {
        Self { works: Slab::with_capacity(tasks_max), generations: vec![0; tasks_max] }
    }

    /// Adds a task under the id `make` is given; `None` if the table is full.
    pub(super) fn insert(&mut self, make: impl FnOnce(TaskId) -> Work) -> Option<TaskId> {
        if self.works.len() == self.generations.len() {
            return None;
        }
        let entry = self.works.vacant_entry();
        let index = entry.key();
        let id = TaskId { index: index as u32, generation: self.generations[index] };
        entry.insert(make(id));
        Some(id)
    }

    pub(super) fn remove(&mut self, id: TaskId) {
        self.works.remove(id.index as usize);
        let generation = &mut self.generations[id.index as usize];
        *generation = generation.wrapping_add(1);
    }

    pub(super) fn get(&self, id: TaskId) -> Option<&Work> {
        self.works.get(id.index as usize).filter(|work| work.id == id)
    }

    /// The task that certainly lives under `id`.
    pub(super) fn live(&mut self, id: TaskId) -> &mut Work {
        &mut self.works[id.index as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Work> + '_ {
        self.works.iter().map(|(_, work)| work)
    }

    pub(super) fn len(&self) -> usize {
        self.works.len()
    }
}
