//! What workers do: run a job's command and leave the reply in its place. The dispatcher hears of it
//! from the runtime, so a worker wakes nobody.
//!
//! A command is preempted at its safepoints only. Anywhere else it may hold a lock that the dispatcher
//! needs, the allocator's above all, and the dispatcher is who would have it go on.

use std::sync::Arc;

use revenant::Context;
use revenant::backend::threads::Handler;

use crate::job::{Job, Places, open};
use crate::reply::Reply;
use crate::service::Service;

/// The handler of all requests on workers. Its token is the job's place.
pub fn handler(places: Places, service: Arc<Service>) -> Arc<Handler> {
    Arc::new(move |context: &Context<'_>, place: u64| {
        let mut job = open(&places[place as usize]);
        let Job { request, command, reply } = &mut *job;
        if let Some(command) = command {
            context.no_preempt(|| {
                command.run(request, &service, context, &mut Reply::to(request, reply));
            });
        }
    })
}
