//! Context switches: two threads that hand each other one CPU, by pipes or by yielding, in the fair
//! class and through a global agent.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::Ordering;

use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::backend::kernel::members;
use revenant::policy::Fifo;
use revenant_bpf::abi;

use super::member::{confine, own_tid};
use super::stage::{Engine, Stage};
use super::{OpcostError, Plan, warm};
use crate::clock::monotonic_ns;
use crate::cost::Row;

/// How a thread becomes what it is to be measured as.
type Join<'a> = &'a (dyn Fn() -> Result<(), OpcostError> + Sync);

/// Under the kernel's own scheduler.
pub(super) fn fair_rows(_engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    let join = || Ok(());
    let yields = yields(plan, 2, &join)?;
    let pipe = ping_pong(plan, &join)?;
    Ok(vec![
        // It takes one of two paths, by chance, for a whole run.
        Row::of("fair-yield", "two fair threads: sched_yield, until it returns", yields).unstable(),
        Row::of("fair-pipe", "two fair threads: a byte there and one back", pipe),
    ])
}

/// A member that yields.
pub(super) fn yield_rows(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    let about = "a member: sched_yield, until the agent gave it its CPU again";
    let samples = through_agent(engine, plan, 0, |join| yields(plan, 1, join))?;
    Ok(vec![Row::of("global-yield", about, samples)])
}

/// Two members that take turns: each hands its CPU to the other, which waits. With the fast path the
/// CPU takes the other from the agent's offers.
pub(super) fn turn_rows(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    let turns = |flags| through_agent(engine, plan, flags, |join| yields(plan, 2, join));
    let committed = "two members: sched_yield, until the agent gave both the CPU in turn";
    let offered = "the same with the fast path: each CPU takes what the agent has offered";
    Ok(vec![
        Row::of("global-turns", committed, turns(0)?),
        Row::of("offered-turns", offered, turns(abi::FAST_PATH)?),
    ])
}

/// Members that wake each other.
pub(super) fn pipe_rows(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    let about = "two members: a byte there and one back, through the agent";
    let samples = through_agent(engine, plan, 0, |join| ping_pong(plan, join))?;
    Ok(vec![Row::of("global-pipe", about, samples)])
}

/// Measures members of an enclave with `flags` whose agent is a process of its own.
fn through_agent(
    engine: &Engine,
    plan: &Plan,
    flags: u32,
    measure: impl FnOnce(Join<'_>) -> Result<Vec<u64>, OpcostError>,
) -> Result<Vec<u64>, OpcostError> {
    // The agent chooses among the CPUs of its parent, which then leaves it alone.
    confine(&[plan.agent, plan.work].into_iter().collect())?;
    let stage = Stage::new(engine, &plan.work_set())?;
    let record = &stage.scheduler.enclaves()[stage.enclave as usize];
    record.flags.fetch_or(flags, Ordering::Relaxed);
    let _agent = AgentProcess::start(&AgentOptions::new(stage.enclave), Fifo::default())?;
    confine(&plan.work_set())?;
    measure(&|| {
        members::join(&stage.scheduler, stage.enclave, own_tid())?;
        Ok(())
    })
}

/// How long a yield takes the first of so many threads that do nothing else.
fn yields(plan: &Plan, threads: usize, join: Join<'_>) -> Result<Vec<u64>, OpcostError> {
    let body = || {
        confine(&plan.work_set())?;
        join()?;
        let once = |_| {
            let began_ns = monotonic_ns();
            std::thread::yield_now();
            monotonic_ns() - began_ns
        };
        Ok::<_, OpcostError>(warm((0..plan.rounds()).map(once).collect()))
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(body)).collect();
        let joined = all.into_iter().map(|thread| thread.join().expect("it does not panic"));
        let mut taken = joined.collect::<Result<Vec<_>, _>>()?;
        Ok(taken.swap_remove(0))
    })
}

fn ping_pong(plan: &Plan, join: Join<'_>) -> Result<Vec<u64>, OpcostError> {
    let failed = |source| OpcostError::System { action: "use a pipe", source };
    let ((ping_out, ping_in), (pong_out, pong_in)) =
        (pipe().map_err(failed)?, pipe().map_err(failed)?);
    let rounds = plan.rounds();
    let echo = move || {
        confine(&plan.work_set())?;
        join()?;
        // Ends when the other side is gone.
        while read_byte(&ping_out).map_err(failed)? {
            write_byte(&pong_in).map_err(failed)?;
        }
        Ok(())
    };
    let call = move || {
        confine(&plan.work_set())?;
        join()?;
        let mut samples = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let began_ns = monotonic_ns();
            write_byte(&ping_in).map_err(failed)?;
            read_byte(&pong_out).map_err(failed)?;
            samples.push(monotonic_ns() - began_ns);
        }
        Ok(warm(samples))
    };
    std::thread::scope(|scope| {
        let (echo, call) = (scope.spawn(echo), scope.spawn(call));
        let samples: Result<_, OpcostError> = call.join().expect("it does not panic");
        let echoed: Result<(), OpcostError> = echo.join().expect("it does not panic");
        echoed.and(samples)
    })
}

/// The end to read from and the end to write to.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Whether there was a byte; otherwise nobody will write any more.
fn read_byte(end: &OwnedFd) -> io::Result<bool> {
    let mut byte = 0_u8;
    // SAFETY: room for one byte.
    match unsafe { libc::read(end.as_raw_fd(), (&raw mut byte).cast(), 1) } {
        -1 => Err(io::Error::last_os_error()),
        count => Ok(count == 1),
    }
}

fn write_byte(end: &OwnedFd) -> io::Result<()> {
    let byte = 1_u8;
    // SAFETY: one byte to read.
    match unsafe { libc::write(end.as_raw_fd(), (&raw const byte).cast(), 1) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
