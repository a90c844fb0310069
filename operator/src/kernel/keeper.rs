//! The keeper of an enclave: a process in the background that starts its agent, and moves its threads
//! back to the fair class when the kernel half has ended it.
//!
//! An agent cannot do that: the end of an enclave is often the agent's own fault. The keeper does
//! nothing while all is well, so there is little it could be killed for; if it is, the next command
//! cleans up.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use revenant::backend::kernel::enclaves;
use revenant::policy::PolicyKind;
use revenant_bpf::{Scheduler, abi};

use super::process::{self, Process};
use super::run_folder::Turn;
use super::{agent, cleaning, record, run_folder};
use crate::cli::{Agent, Keep, PolicyChoice};
use crate::failure::Failure;

/// How often the enclave's state is looked at: its threads run either way, so nobody waits for it.
const LOOK: Duration = Duration::from_millis(100);
/// How long an agent has to notice that its enclave is gone. It looks once a turn.
const AGENT_PATIENCE: Duration = Duration::from_secs(1);

/// Looks after an enclave until it is gone. Standard error is the enclave's log.
pub(crate) fn keep(options: &Keep) -> Result<u8, Failure> {
    process::call_itself(c"revenant-keeper");
    process::leave_session().context("no session of its own").map_err(Failure::Failed)?;
    let scheduler = Scheduler::open().map_err(Failure::failed)?;
    let enclave = options.agent.enclave;
    let name = enclaves::name(&scheduler, enclave);
    scheduler.enclaves()[enclave as usize].keeper_tgid.store(std::process::id(), Ordering::Relaxed);
    let agent = if options.adopt { None } else { Some(first_agent(&name, options)?) };
    let mut keeper = Keeper { scheduler, options: options.clone(), name, agent, last: None };
    keeper.run()
}

fn first_agent(name: &str, options: &Keep) -> Result<Child, Failure> {
    let started = run_folder::log(name).and_then(|log| agent::start(&options.agent, log));
    started.context("the agent cannot be started").map_err(Failure::Failed)
}

/// Starts a keeper in the background.
pub(crate) fn start(name: &str, options: &Keep) -> io::Result<Child> {
    let mut command = Command::new(agent::SELF);
    command.arg("keep").arg("--generation").arg(options.generation.to_string());
    if let Some(pid) = options.until {
        command.arg("--until").arg(pid.to_string());
    }
    if options.adopt {
        command.arg("--adopt");
    }
    command.args(agent::arguments(&options.agent));
    agent::in_background(&mut command, run_folder::log(name)?)?.spawn()
}

/// Starts a keeper for an enclave whose keeper was killed.
pub(crate) fn adopt(scheduler: &Scheduler, enclave: u32) -> io::Result<()> {
    let record = &scheduler.enclaves()[enclave as usize];
    let agent = Agent {
        enclave,
        // The agent is there, or it is an operator's to choose another.
        policy: PolicyKind::default(),
        kind: record::kind(record),
        options: PolicyChoice::default(),
        take_over: false,
    };
    let generation = record.generation.load(Ordering::Relaxed);
    let keep = Keep { generation, until: None, adopt: true, agent };
    // It outlives this process, which does not wait for it.
    start(&enclaves::name(scheduler, enclave), &keep).map(drop)
}

struct Keeper {
    scheduler: Scheduler,
    options: Keep,
    name: String,
    /// The first agent, until it has ended. Its successors are not children of the keeper.
    agent: Option<Child>,
    /// The agent seen last, by its process id.
    last: Option<(u32, Process)>,
}

impl Keeper {
    fn run(&mut self) -> Result<u8, Failure> {
        loop {
            self.note_agent();
            if let Some(status) = self.ended_agent() {
                say(&format!("the first agent ended: {status}"));
                if self.last.is_none() && self.state() == Some(abi::ENCLAVE_ORPHAN) {
                    return Err(Failure::Failed(anyhow!("it never served")));
                }
            }
            match self.state() {
                None => return self.leave(),
                Some(abi::ENCLAVE_DESTROYED) => return self.end(),
                _ if self.is_over() => return self.end(),
                _ => std::thread::sleep(LOOK),
            }
        }
    }

    fn record(&self) -> &abi::Enclave {
        &self.scheduler.enclaves()[self.options.agent.enclave as usize]
    }

    /// The enclave's state; `None` once it is gone, by command, or with the whole scheduler.
    fn state(&self) -> Option<u32> {
        if let Some(reason) = self.scheduler.exit() {
            say(&format!("the scheduler has ended: {reason}"));
            return None;
        }
        let generation = self.record().generation.load(Ordering::Relaxed);
        let state = self.record().state.load(Ordering::Acquire);
        let is_gone = state == abi::ENCLAVE_FREE || generation != self.options.generation;
        (!is_gone).then_some(state)
    }

    /// Remembers who the agent is: a destroyed enclave no longer tells.
    fn note_agent(&mut self) {
        let pid = self.record().agent_tgid.load(Ordering::Relaxed);
        if pid != 0 && self.last.as_ref().is_none_or(|(last, _)| *last != pid) {
            self.last = process::own_agent(pid).map(|process| (pid, process));
        }
    }

    fn ended_agent(&mut self) -> Option<ExitStatus> {
        let status = self.agent.as_mut()?.try_wait().unwrap_or_default()?;
        self.agent = None;
        Some(status)
    }

    /// Whether the enclave was made for a process that has ended, and is empty.
    fn is_over(&self) -> bool {
        let has_ended = |pid| Process::open(pid).is_none_or(|process| process.wait(Duration::ZERO));
        self.options.until.is_some_and(has_ended)
            && self.record().tasks.load(Ordering::Relaxed) == 0
    }

    /// Moves the threads back, frees the CPUs, and unloads the scheduler if it was the last enclave.
    fn end(&mut self) -> Result<u8, Failure> {
        if self.state() == Some(abi::ENCLAVE_DESTROYED) {
            // By a command, which does the rest itself.
            if self.record().reason.load(Ordering::Relaxed) == abi::REASON_ASKED {
                return self.leave();
            }
            let reason = record::reason(self.record());
            say(&format!("enclave `{}` {} {reason}", self.name, run_folder::DESTROYED));
        } else {
            say(&format!("enclave `{}` is no longer needed", self.name));
        }
        let enclave = self.options.agent.enclave;
        enclaves::destroy(&self.scheduler, enclave).map_err(Failure::failed)?;
        say("its threads are in the fair class");
        let code = self.leave()?;
        let _turn = Turn::take()?;
        cleaning::unload_if_unused(&self.scheduler);
        Ok(code)
    }

    /// Sees to it that no agent stays behind: one that hangs would never notice.
    fn leave(&mut self) -> Result<u8, Failure> {
        if let Some((_, process)) = self.last.take() {
            process.end(AGENT_PATIENCE);
        }
        if let Some(mut child) = self.agent.take() {
            let ended: io::Result<_> = child.kill().and_then(|()| child.wait());
            ended.context("the agent cannot be ended").map_err(Failure::Failed)?;
        }
        Ok(0)
    }
}

fn say(text: &str) {
    eprintln!("keeper {}: {text}", std::process::id());
}
