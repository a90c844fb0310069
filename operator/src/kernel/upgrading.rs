//! The command `upgrade`: another agent takes an enclave over while its threads run.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use revenant::policy::PolicyKind;
use revenant_bpf::{Scheduler, text};
use serde_json::json;

use super::columns::time;
use super::run_folder::{log, log_tail};
use super::{agent, record, session};
use crate::cli::{Agent, AgentChoice, Upgrade};
use crate::failure::Failure;

/// How long a successor may take to prepare itself; meanwhile the old agent serves.
const BEGIN_PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(2);

/// Starts the successor and waits until it serves.
pub(crate) fn upgrade(options: &Upgrade, json: bool) -> Result<u8, Failure> {
    let scheduler = session::open(Some(&options.enclave))?;
    let enclave = session::find(&scheduler, &options.enclave)?;
    let record = &scheduler.enclaves()[enclave as usize];
    let before = Agency::read(&scheduler, enclave);
    let agent = successor(options, enclave, record)?;
    let pid = take_over(&scheduler, &agent, &options.enclave)?;
    let blackout_ns = record.blackout_ns.load(Ordering::Relaxed);
    if json {
        let threads = record.tasks.load(Ordering::Relaxed);
        println!(
            "{}",
            json!({
                "enclave": options.enclave, "blackout_ns": blackout_ns, "threads": threads,
                "from": { "pid": before.pid, "policy": before.policy, "kind": before.kind.name() },
                "to": { "pid": pid, "policy": agent.policy.name(), "kind": agent.kind.name() },
            })
        );
    } else {
        println!(
            "{}: {} ({}, {}) -> {} ({}, {pid}), {} without an agent",
            options.enclave,
            before.policy,
            before.kind.name(),
            before.pid,
            agent.policy.name(),
            agent.kind.name(),
            time(blackout_ns)
        );
    }
    Ok(0)
}

/// Who serves.
struct Agency {
    pid: u32,
    policy: String,
    kind: AgentChoice,
}

impl Agency {
    fn read(scheduler: &Scheduler, enclave: u32) -> Self {
        let record = &scheduler.enclaves()[enclave as usize];
        Self {
            pid: record.agent_tgid.load(Ordering::Relaxed),
            policy: text(&record.policy),
            kind: record::kind(record),
        }
    }
}

/// The new agent: as the present one, where nothing else was asked for.
fn successor(
    options: &Upgrade,
    enclave: u32,
    record: &revenant_bpf::abi::Enclave,
) -> Result<Agent, Failure> {
    let present = text(&record.policy);
    let policy: PolicyKind = match options.policy {
        Some(policy) => policy,
        None => present.parse().map_err(|_| {
            Failure::Cannot(anyhow!(
                "enclave `{}` has an agent with a policy of its own (`{present}`): name --policy",
                options.enclave
            ))
        })?,
    };
    policy.build(&options.options.options()).map_err(Failure::cannot)?;
    let kind = options.agent.unwrap_or_else(|| record::kind(record));
    Ok(Agent { enclave, policy, kind, options: options.options.clone(), take_over: true })
}

fn take_over(scheduler: &Scheduler, agent: &Agent, name: &str) -> Result<u32, Failure> {
    let started = log(name).and_then(|log| agent::start(agent, log));
    let mut child = started.context("the successor cannot be started").map_err(Failure::Failed)?;
    let began = Instant::now();
    while !agent::serves(scheduler, agent.enclave, child.id()) {
        let has_ended = !matches!(child.try_wait(), Ok(None));
        if has_ended || began.elapsed() > BEGIN_PATIENCE {
            // If it has ended, there is nothing to kill.
            let _best_effort = child.kill();
            let _reaped = child.wait();
            let served = record::EnclaveRow::read(scheduler, agent.enclave);
            let who = match served.agent.pid {
                Some(pid) => format!("agent {pid} keeps serving"),
                None => "nobody serves: the kernel half does, in order of arrival".to_owned(),
            };
            return Err(Failure::Failed(anyhow!(
                "the successor did not come up; {who}; {}",
                log_tail(name)
            )));
        }
        std::thread::sleep(LOOK);
    }
    Ok(child.id())
}
