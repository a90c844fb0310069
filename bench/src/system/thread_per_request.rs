//! Plain threads, one a request in flight, under the kernel's scheduler: what a careful engineer
//! writes today.
//!
//! Each crew of threads serves some of the classes and may run on all worker CPUs.

use std::thread::{self, Scope};

use revenant_loadgen::Class;

use super::batch::Antagonists;
use super::crew::{Crew, Foreman, THREADS};
use crate::discipline::Discipline;
use crate::replay::{Before, Recipient, Replay};
use crate::system::{Run, RunError, RunOutcome};

/// Threads of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrewKind {
    /// How the kernel schedules them.
    pub(super) discipline: Discipline,
    /// Which classes they serve; the first crew that serves a class gets it.
    pub(super) serves: fn(&Class) -> bool,
}

/// Replays the plan on crews that together serve every class.
pub(super) fn run(
    system: &'static str,
    run: &Run<'_>,
    kinds: &[CrewKind],
) -> Result<RunOutcome, RunError> {
    let replay = Replay::new(run);
    let requests = run.plan.requests().len();
    let crews: Vec<Crew> = kinds.iter().map(|_| Crew::new(requests)).collect();
    let mut crowd = Crowd {
        replay: &replay,
        foremen: crews.iter().map(Foreman::new).collect(),
        crew_of_class: crew_of_class(run, kinds),
        sent: 0,
    };
    let antagonists = Antagonists::default();
    thread::scope(|scope| {
        let ended = crowd.hire(scope, system, kinds).and_then(|()| {
            antagonists.start(scope, system, run)?;
            replay.generate(system, &mut crowd)
        });
        antagonists.stop();
        crowd.foremen.iter().for_each(Foreman::dismiss);
        ended
    })?;
    let waited: u64 = crowd.foremen.iter().map(Foreman::waited).sum();
    Ok(RunOutcome {
        batch_cpu_ns: antagonists.cpu_ns(run),
        note: (waited > 0)
            .then(|| format!("all {THREADS} threads of a crew were at work; requests then queue")),
        ..replay.outcome()
    })
}

fn crew_of_class(run: &Run<'_>, kinds: &[CrewKind]) -> Vec<usize> {
    let crew = |class| {
        let index = kinds.iter().position(|kind| (kind.serves)(class));
        index.expect("crews together serve every class")
    };
    run.mix.classes().iter().map(crew).collect()
}

/// All crews of a run, as the generator sees them.
struct Crowd<'a> {
    replay: &'a Replay<'a>,
    foremen: Vec<Foreman<'a>>,
    crew_of_class: Vec<usize>,
    sent: u64,
}

impl<'a> Crowd<'a> {
    fn hire<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        system: &'static str,
        kinds: &[CrewKind],
    ) -> Result<(), RunError>
    where
        'a: 'scope,
    {
        let replay = self.replay;
        for (foreman, kind) in self.foremen.iter_mut().zip(kinds) {
            foreman.hire(scope, replay, kind.discipline).map_err(|source| {
                let action = format!("start {THREADS} threads as {:?}", kind.discipline);
                RunError::Kernel { system, action, source }
            })?;
        }
        Ok(())
    }
}

impl Recipient for Crowd<'_> {
    fn take(&mut self, request: u32) {
        let in_flight = self.sent - self.replay.done();
        self.sent += 1;
        let idle = in_flight < self.replay.run.site.workers.len() as u64;
        let before = if idle { Before::Idle } else { Before::Busy };
        let class = self.replay.run.plan.requests()[request as usize].class;
        self.foremen[self.crew_of_class[usize::from(class)]].send(request, before);
    }

    fn turn(&mut self) {
        self.foremen.iter_mut().for_each(Foreman::relieve);
    }
}
