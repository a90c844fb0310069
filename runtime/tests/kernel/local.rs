//! Local agents: one that sleeps on the CPU it schedules, and gives it up to what it commits there.
//! On a machine of one CPU it is the only kind that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use revenant::agent::Agent;
use revenant::backend::Backend as _;
use revenant::backend::kernel::{Kernel, enclaves};
use revenant::cpu::CpuId;
use revenant::enclave::Enclave;
use revenant::message::MessageKind;
use revenant::policy::Fifo;
use revenant::task::TaskState;
use revenant::transaction::{Batch, Outcome};
use revenant_bpf::{Scheduler, abi, kernel};

use crate::guest::{self, undisturbed, wait_for};
use crate::stage::{Hog, Performer, Stage, patient};

/// Serves its own CPU, sleeping while there is nothing to do.
fn serve_locally(scheduler: Arc<Scheduler>, enclave: u32, cpu: u16, is_over: &AtomicBool) {
    scheduler.attach_agent(enclave, Some(u32::from(cpu))).expect("it has no agent");
    scheduler.channel(enclave, 0).wakes.store(1, Ordering::SeqCst);
    let kernel = Kernel::open(scheduler, enclave, 0, 1024).expect("a ring");
    let mut kernel = kernel.local_to(CpuId(cpu));
    kernel.begin();
    let image = Enclave::new(kernel.topology().clone(), abi::TASKS_MAX);
    let mut agent = Agent::new(Fifo::default(), image);
    agent.rescan(guest::now_ns(), &mut kernel);
    while !is_over.load(Ordering::SeqCst) {
        agent.turn(guest::now_ns(), &mut kernel);
        let fd = kernel.ring().raw_fd();
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: `poll` is one entry, and lives through the call.
        unsafe { libc::poll(&raw mut poll, 1, 100) };
    }
}

#[test]
fn a_local_agent_serves_the_cpu_it_sleeps_on() {
    undisturbed(|| {
        const JOBS: usize = 20;
        let cpu = kernel::possible_cpus() as u16 - 1;
        let spec = enclaves::Spec { flags: abi::PER_CPU_AGENTS, ..patient([cpu]) };
        let mut stage = Stage::unattended(&spec, 64);
        let is_over = Arc::new(AtomicBool::new(false));
        let (agent, tells) = (Performer::start(), Arc::clone(&is_over));
        let (scheduler, enclave) = (stage.scheduler(), stage.enclave());
        guest::bind(agent.tid, [usize::from(cpu)]).expect("it is online");
        agent.become_realtime();
        agent.order(move || serve_locally(scheduler, enclave, cpu, &tells));

        wait_for("it has an agent", || {
            let state = stage.record().state.load(Ordering::SeqCst);
            (state == abi::ENCLAVE_ATTACHED).then_some(())
        });
        let tasks: Vec<_> = (0..3).map(|_| stage.member()).collect();
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..JOBS {
            for task in &tasks {
                let done = Arc::clone(&done);
                stage.order(*task, move || {
                    (0..1_000).for_each(|_| std::hint::spin_loop());
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        }
        let all = JOBS * tasks.len();
        wait_for("every job is done", || (done.load(Ordering::SeqCst) == all).then_some(()));
        let committed = stage.record().outcomes[Outcome::Committed as usize].load(Ordering::SeqCst);
        assert!(committed > 0 && stage.record().fallback_runs.load(Ordering::SeqCst) == 0);
        is_over.store(true, Ordering::SeqCst);
        agent.dismiss().expect("it served");
    });
}

#[test]
fn a_local_agent_with_an_unread_message_must_not_sleep() {
    undisturbed(|| {
        if kernel::possible_cpus() < 2 {
            return;
        }
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner();
        let local = Kernel::open(stage.scheduler(), stage.enclave(), 0, 64).expect("a ring");
        let mut local = local.local_to(CpuId(1));
        let mut commit = |stage: &Stage, seq| {
            let mut batch = Batch::with_capacity(1);
            assert!(batch.push(stage.open(task, 1)));
            local.commit(guest::now_ns(), seq, &mut batch);
            batch.transactions()[0].outcome
        };
        let before = stage.kernel.agent_seq();
        stage.scheduler().set_timer(stage.enclave(), 1, 1).expect("there is such a CPU");
        stage.hear(MessageKind::CpuTimerExpired);
        assert_eq!(commit(&stage, before), Some(Outcome::AgentStale));

        let now = stage.kernel.agent_seq();
        assert_eq!(commit(&stage, now), Some(Outcome::Committed));
        // An agent that sleeps makes its CPU look; here, another thread does.
        Hog::above_everything(1).end();
        stage.await_state(task, TaskState::OnCpu);
        spin.wait_for_progress();
    });
}
