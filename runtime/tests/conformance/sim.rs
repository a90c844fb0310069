//! The simulator's arm.

use revenant::backend::sim::{self, Costs, Machine, SimOptions};
use revenant::hint::Hints;
use revenant::status::Status;
use revenant::task::TaskId;

use crate::world::{Step, World};

/// The simulator, with costs, so that between a decision and its effect there is a time.
pub(crate) struct SimWorld(Machine);

/// Scripts are static; each of the suite's steps stands for one of the simulator's.
fn translate(script: &'static [Step]) -> &'static [sim::Step] {
    let steps = script.iter().map(|step| match step {
        Step::Spin => sim::Step::Spin,
        Step::Block => sim::Step::Block,
        Step::Yield => sim::Step::Yield,
    });
    // A test's handful of steps lives as long as the test.
    steps.collect::<Vec<_>>().leak()
}

impl World for SimWorld {
    type Backend = Machine;

    fn new(cpus: usize, channel_capacity: usize) -> Self {
        let costs = Costs::THREADS;
        Self(Machine::new(&SimOptions { channel_capacity, costs, ..SimOptions::ideal(cpus) }))
    }

    fn backend(&mut self) -> &mut Machine {
        &mut self.0
    }

    fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }

    fn spawn(&mut self, script: &'static [Step]) -> TaskId {
        self.0.enter_script(Hints::default(), translate(script)).expect("the table has room")
    }

    fn tell(&mut self, task: TaskId) {
        self.0.tell(task);
    }

    fn settle(&mut self) {
        while self.0.next_event_ns() < u64::MAX {
            self.0.advance(self.0.next_event_ns().max(self.0.now_ns()));
            self.0.fire();
        }
        // Messages under way arrive, and stints have a length.
        self.0.advance(self.0.now_ns() + 1_000);
    }

    fn status(&mut self, task: TaskId) -> Option<Status> {
        self.0.status(task)
    }
}
