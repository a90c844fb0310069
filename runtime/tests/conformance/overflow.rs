//! Lost messages.

use revenant::agent::Agent;
use revenant::backend::Backend;
use revenant::enclave::Enclave;
use revenant::policy::Fifo;

use crate::world::{SPIN, World};

fn agent<W: World>(world: &mut W) -> Agent<Fifo> {
    Agent::new(Fifo::default(), Enclave::new(world.backend().topology().clone(), 64))
}

fn turn<W: World>(world: &mut W, agent: &mut Agent<Fifo>) {
    world.settle();
    let now_ns = world.now_ns();
    agent.turn(now_ns, world.backend());
    world.settle();
}

pub(crate) fn a_full_channel_and_a_rescan_lose_nothing<W: World>() {
    const TASKS: usize = 12;
    let mut world = W::new(2, 4);
    let mut agent = agent(&mut world);
    let tasks: Vec<_> = (0..TASKS).map(|_| world.spawn(SPIN)).collect();
    for _ in 0..10 * TASKS {
        turn(&mut world, &mut agent);
        // Whoever runs by now finishes.
        tasks.iter().for_each(|task| world.tell(*task));
    }
    assert!(agent.counters().rescans > 0, "{TASKS} tasks fit a channel of 4");
    assert_eq!(tasks.iter().filter(|task| world.status(**task).is_some()).count(), 0);
    assert_eq!(agent.enclave().tasks_live(), 0);
    assert_eq!(agent.enclave().idle().len(), 2);
}

pub(crate) fn a_task_that_dies_unread_is_forgotten_by_the_rescan<W: World>() {
    let mut world = W::new(1, 4);
    let mut agent = agent(&mut world);
    let task = world.spawn(SPIN);
    turn(&mut world, &mut agent);
    turn(&mut world, &mut agent);
    assert_eq!(agent.enclave().idle().len(), 0);
    // Fill the channel, so that TASK_DEAD is lost.
    let others: Vec<_> = (0..4).map(|_| world.spawn(SPIN)).collect();
    world.tell(task);
    world.settle();
    assert!(agent.enclave().task(task).is_some());
    turn(&mut world, &mut agent);
    assert!(agent.enclave().task(task).is_none());
    assert!(others.iter().all(|other| agent.enclave().task(*other).is_some()));
}
