//! A queue of tasks that forgets the ones that stopped waiting.

use std::collections::VecDeque;

use crate::enclave::Enclave;
use crate::task::{Task, TaskId};

/// Tasks in the order they should run.
///
/// A task that died, blocked or was placed by other means while it stood here is not searched for
/// and taken out, which would cost a walk; it is passed over when its turn comes.
#[derive(Debug, Default)]
pub struct RunQueue {
    tasks: VecDeque<TaskId>,
}

impl RunQueue {
    /// Empties the queue and makes room for every task `enclave` can hold.
    pub fn attach(&mut self, enclave: &Enclave) {
        self.tasks.clear();
        self.tasks.reserve(enclave.tasks_max());
    }

    /// Adds a task at the end.
    pub fn push_back(&mut self, task: TaskId) {
        self.tasks.push_back(task);
    }

    /// Adds a task at the front: it was next, and its transaction failed.
    pub fn push_front(&mut self, task: TaskId) {
        self.tasks.push_front(task);
    }

    /// The first task that still waits, without taking it.
    pub fn front<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        while let Some(&id) = self.tasks.front() {
            let task = enclave.queued(id);
            if task.is_some() {
                return task;
            }
            self.tasks.pop_front();
        }
        None
    }

    /// Takes the first task that still waits.
    pub fn pop_front<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        let task = self.front(enclave)?;
        self.tasks.pop_front();
        Some(task)
    }

    /// Whether no task waits here.
    pub fn is_empty(&mut self, enclave: &Enclave) -> bool {
        self.front(enclave).is_none()
    }
}
