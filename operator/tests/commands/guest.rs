//! In a guest: real enclaves, real threads. Every test begins and ends on a clean machine.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::machine::{
    EXT, FAIR, Killed, burning, children, classes, cpu_ticks, created, destroyed, enclaves,
    goes_on, guest, is_clean, process_of, signal, started, threads, wait_until,
};
use crate::program::{self, Said, run};
use crate::terminal;

#[test]
fn enclaves_are_made_listed_and_destroyed() {
    let _guest = guest();
    assert!(run("enclave ls").ended(0).err.contains("enclave create"));
    run("enclave destroy web").refused(&["no Revenant scheduler is loaded"]);
    let web = created("--name web --cpus 1-2 --policy shinjuku --quantum 1ms --watchdog 7s");
    for (field, value) in
        [("name", "web"), ("cpus", "1-2"), ("policy", "shinjuku"), ("state", "attached")]
    {
        assert_eq!(web[field], value, "{web}");
    }
    assert_eq!(web["watchdog_ns"], 7_000_000_000_u64);
    let table = run("enclave ls").ended(0).out;
    assert!(table.contains("NAME") && table.contains("shinjuku"), "{table}");

    run("enclave create --name web --cpus 3").refused(&["enclave `web` already"]);
    run("enclave create --name other --cpus 2-3").refused(&["CPU 2", "`web`"]);
    run("enclave create --name other --cpus 9").refused(&["CPU 9", "0-3"]);
    run("enclave destroy wbe").refused(&["`wbe`", "web"]);
    run("move --enclave wbe 1").refused(&["`wbe`", "web"]);
    run("run --enclave wbe -- true").refused(&["`wbe`", "web"]);
    run("upgrade wbe").refused(&["`wbe`", "web"]);

    let rest = created("--policy fifo");
    assert_eq!((rest["name"].as_str(), rest["cpus"].as_str()), (Some("fifo"), Some("3")));
    assert!(!run("enclave destroy fifo").ended(0).err.contains("unloaded"));
    assert!(destroyed("web").err.contains("unloaded the scheduler"));
    run("enclave destroy --all").ended(0);
}

#[test]
fn a_program_runs_under_a_policy_with_its_children() {
    let _guest = guest();
    let said =
        Said::of("run", program::command(&["run", "--", "sh", "-c", "exit 7"]).output().unwrap());
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(7), "", ""));
    // The shell's child reads its own class.
    let words = ["run", "--cpus", "2-3", "--", "sh", "-c", "cat /proc/self/stat; true"];
    let said = Said::of("run", program::command(&words).output().unwrap()).ended(0);
    let class = said.out.rsplit(')').next().unwrap().split_whitespace().nth(38).unwrap();
    assert_eq!(class, EXT.to_string(), "{said:#?}");
    let said = run("run -- no-such-program").ended(127);
    assert!(said.err.contains("no-such-program"), "{said:#?}");
    run("run -- /proc/version").ended(126);
    is_clean();

    created("--name web --cpus 1-3");
    let said = run("run --json --enclave web --class batch -- true").ended(0);
    let summary: Value = serde_json::from_str(said.err.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["exit_code"], &summary["enclave"]["name"]), (&0.into(), &"web".into()));
    assert_eq!(enclaves().len(), 1, "an enclave that was there stays");
    destroyed("web");
}

#[test]
fn what_is_called_batch_waits_for_the_rest() {
    let _guest = guest();
    // Its share is enough for the watchdog, which is on.
    created("--name web --cpus 2-3");
    // The shell's child, which nobody has told the policy about, burns.
    let script = "(while :; do :; done); true";
    let words = ["run", "--enclave", "web", "--class", "batch", "--", "sh", "-c", script];
    let mut batch = Killed(program::command(&words).spawn().unwrap());
    let of_shell = |shell: Vec<u32>| shell.first().map(|shell| children(*shell));
    wait_until("it burns", || of_shell(children(batch.pid())).is_some_and(|all| all.len() == 1));
    let shell = children(batch.pid());
    let burners = of_shell(shell.clone()).unwrap();
    goes_on(burners[0]);

    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    let before = (cpu_ticks(burners[0]), cpu_ticks(burning.pid()));
    std::thread::sleep(Duration::from_secs(3));
    let batch_ticks = cpu_ticks(burners[0]) - before.0;
    let ticks = cpu_ticks(burning.pid()) - before.1;
    // Under emulation a slice lasts until it is the turn of the CPU the agent is on, some 10 ms.
    assert!(batch_ticks * 2 < ticks, "batch {batch_ticks} ticks, the rest {ticks}");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(enclaves()[0]["state"], "attached", "the watchdog of 5 s found nobody unserved");
    // To die takes CPU time, which is there beside those that burn.
    burners.iter().chain(&shell).for_each(|pid| signal((*pid).into(), libc::SIGKILL));
    batch.0.wait().unwrap();
    goes_on(burning.pid());
    destroyed("web");
}

#[test]
fn a_signal_ends_a_program_and_its_enclave() {
    let _guest = guest();
    let mut running = started("run -- sleep 600");
    wait_until("it runs", || enclaves().first().is_some_and(|one| one["threads"] == 1));
    signal(running.pid().into(), libc::SIGTERM);
    assert_eq!(running.0.wait().unwrap().code(), Some(128 + libc::SIGTERM));
    is_clean();

    // Nobody is left to destroy the enclave but its keeper.
    let mut running = started("run -- sleep 2");
    wait_until("it runs", || enclaves().first().is_some_and(|one| one["threads"] == 1));
    signal(running.pid().into(), libc::SIGKILL);
    running.0.wait().unwrap();
    is_clean();
}

#[test]
fn processes_move_in_and_back_with_all_threads() {
    let _guest = guest();
    created("--name web --cpus 1-3");
    let (one, two) = (burning(), burning());
    let count = threads(one.pid()).len() + threads(two.pid()).len();
    let said = run(&format!("move --json --enclave web {} {}", one.pid(), two.pid())).ended(0);
    let moved = said.json()["moved"].as_array().unwrap().clone();
    let threads_moved: u64 = moved.iter().map(|one| one["threads"].as_u64().unwrap()).sum();
    assert_eq!(threads_moved as usize, count);
    assert_eq!((classes(one.pid()), classes(two.pid())), (vec![EXT], vec![EXT]));
    goes_on(one.pid());
    goes_on(two.pid());

    let agent = process_of("agent");
    let said = run(&format!("move --enclave web 999999 {agent} {}", one.pid())).ended(1);
    assert!(said.err.contains("no such process") && said.err.contains("schedules"), "{said:#?}");
    run(&format!("move --back {}", one.pid())).ended(0);
    assert_eq!((classes(one.pid()), classes(two.pid())), (vec![FAIR], vec![EXT]));
    destroyed("web");
    assert_eq!(classes(two.pid()), [FAIR]);
    goes_on(two.pid());
}

#[test]
fn top_shows_what_an_enclave_does() {
    let _guest = guest();
    created("--name web --cpus 1-3");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    let json = run("top --once --json --interval 500ms").ended(0).json();
    let web = &json["enclaves"][0];
    assert_eq!(
        (&web["name"], web["on_cpus"].as_array().unwrap().len()),
        (&"web".into(), 3),
        "{web}"
    );
    for rate in ["messages_per_s", "commits_per_s", "turns_per_s"] {
        assert!(web[rate].as_f64().unwrap() > 0.0, "{rate}: {web}");
    }
    let members = threads(burning.pid()).len() as u64;
    let counted: u64 =
        ["queued", "running", "blocked"].iter().map(|n| web[n].as_u64().unwrap()).sum();
    assert_eq!(counted, members, "{web}");
    let running = web["on_cpus"].as_array().unwrap().iter().filter(|cpu| cpu["state"] == "running");
    assert!(running.count() > 0, "{web}");
    assert!(
        web["delays"].as_array().unwrap().iter().any(|delay| delay["count"].as_u64() > Some(0))
    );
    let text = run("top --once --interval 200ms").ended(0).out;
    assert!(text.contains("web") && text.contains("CPU 2"), "{text}");
    run("top").refused(&["no terminal"]);
    let screen = terminal::screen_of(&["top", "--interval", "200ms"]);
    for part in ["enclaves", "COMMITS/S", "two-queue", "transactions", "revenant-agent"] {
        assert!(screen.contains(part), "{part} is missing in {screen:?}");
    }
    destroyed("web");
}

#[test]
fn a_trace_has_a_track_for_each_cpu_and_agent() {
    let _guest = guest();
    created("--name web --cpus 1-3");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    let said = run("trace --seconds 0.5 -o -").ended(0);
    let events = said.json()["traceEvents"].as_array().unwrap().clone();
    let is_name = |event: &&Value| event["ph"] == "M";
    let names: Vec<_> = events
        .iter()
        .filter(is_name)
        .map(|event| event["args"]["name"].as_str().unwrap())
        .collect();
    for name in ["enclave web", "agents", "CPU 1", "CPU 2", "CPU 3"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("agent of web")), "{names:?}");
    let ours: Vec<String> = threads(burning.pid()).iter().map(ToString::to_string).collect();
    let is_ours =
        |event: &&Value| event["ph"] == "X" && ours.contains(&event["args"]["tid"].to_string());
    assert!(events.iter().filter(is_ours).count() > 2, "{said:#?}");
    let is_agent_s = |event: &&Value| event["ph"] == "X" && event["pid"] == 1000;
    assert!(events.iter().filter(is_agent_s).count() > 0, "{said:#?}");

    // An interrupt ends the recording, not the command.
    let mut tracing = started("trace --seconds 600 -o /tmp/trace.json");
    let instances = || fs::read_dir("/sys/kernel/tracing/instances").unwrap().count();
    wait_until("it records", || instances() == 1);
    std::thread::sleep(Duration::from_millis(300));
    signal(tracing.pid().into(), libc::SIGINT);
    assert_eq!(tracing.0.wait().unwrap().code(), Some(0));
    serde_json::from_str::<Value>(&fs::read_to_string("/tmp/trace.json").unwrap()).unwrap();
    assert_eq!(instances(), 0);

    // What a killed one leaves is cleaned by the next command.
    let tracing = started("trace --seconds 600 -o /tmp/trace.json");
    wait_until("it records", || instances() == 1);
    drop(tracing);
    assert!(run("enclave ls").ended(0).err.contains("tracefs instance"));
    run("trace -o /nowhere/at/all").refused(&["/nowhere/at/all"]);
    destroyed("web");
}

#[test]
fn an_upgrade_changes_the_agent_under_running_threads() {
    let _guest = guest();
    // Its threads outnumber the CPUs: under `fifo` some never get one.
    created("--name web --cpus 1-3 --policy fifo --watchdog 0");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    for policy in ["shinjuku", "two-queue", "fifo", "two-queue"] {
        let before = process_of("agent");
        let json = run(&format!("upgrade web --json --policy {policy}")).ended(0).json();
        assert_eq!((&json["to"]["policy"], &json["from"]["pid"]), (&policy.into(), &before.into()));
        assert!(json["blackout_ns"].as_u64().unwrap() > 0, "{json}");
        let web = &enclaves()[0];
        assert_eq!((&web["policy"], &web["state"]), (&policy.into(), &"attached".into()), "{web}");
        assert_eq!(web["agent"]["pid"], json["to"]["pid"]);
        goes_on(burning.pid());
    }
    let said = run("upgrade web").ended(0);
    assert!(said.out.contains("two-queue") && said.out.contains("without an agent"), "{said:#?}");
    destroyed("web");
}

#[test]
fn agents_for_each_cpu_serve_and_make_way_for_a_global_one() {
    let _guest = guest();
    // No watchdog: more threads will burn than there are CPUs, and this policy takes none away.
    let web = created("--name web --cpus 1-2 --policy fifo-percpu --agent percpu --watchdog 0");
    assert_eq!((&web["policy"], &web["agent"]["kind"]), (&"fifo-percpu".into(), &"percpu".into()));
    let one = created("--name one --cpus 3");
    assert_eq!(one["agent"]["kind"], "percpu", "a global agent would leave its threads no CPU");
    assert_eq!(run("run --enclave one -- true").ended(0).err, "");
    run("enclave destroy one").ended(0);

    // One that waits: a program that does not may end before its first preemption, without a commit.
    let said = run("run --json --enclave web -- sleep 0.01").ended(0);
    let summary: Value = serde_json::from_str(said.err.lines().last().unwrap()).unwrap();
    assert!(summary["commits"].as_u64() > Some(0), "{summary}");
    let burning = burning();
    run(&format!("move --enclave web {}", burning.pid())).ended(0);
    goes_on(burning.pid());
    let top = || run("top --once --json --interval 200ms").ended(0).json()["enclaves"][0].clone();
    let web = top();
    assert_eq!((&web["agent"]["kind"], &web["agent"]["cpu"]), (&"percpu".into(), &Value::Null));
    let both_run = |web: &Value| {
        let mut on_cpus = web["on_cpus"].as_array().unwrap().iter();
        on_cpus.all(|cpu| cpu["state"] == "running")
    };
    wait_until("no CPU is the agents'", || both_run(&top()));
    for (options, kind) in
        [("--agent global", "global"), ("", "global"), ("--agent percpu", "percpu")]
    {
        let json = run(&format!("upgrade web --json {options}")).ended(0).json();
        assert_eq!(
            (&json["to"]["kind"], &json["to"]["policy"]),
            (&kind.into(), &"fifo-percpu".into())
        );
        let agent = &enclaves()[0]["agent"];
        assert_eq!((&agent["kind"], &agent["pid"]), (&kind.into(), &json["to"]["pid"]));
        assert_eq!(agent["cpu"].is_null(), kind == "percpu", "{agent}");
        goes_on(burning.pid());
    }
    destroyed("web");
}

#[test]
fn with_the_fast_path_cpus_take_what_is_offered() {
    let _guest = guest();
    created("--name web --cpus 1-3 --policy shinjuku --quantum 5ms --fast-path");
    // Threads that come and go, more than CPUs.
    let script =
        "i=0; while [ $i -lt 300 ]; do cat /proc/version >/dev/null & i=$((i + 1)); done; wait";
    let words = ["run", "--enclave", "web", "--", "sh", "-c", script];
    Said::of("run", program::command(&words).output().unwrap()).ended(0);
    let top = run("top --once --json --interval 100ms").ended(0).json();
    assert!(top["enclaves"][0]["fast_path_runs"].as_u64() > Some(0), "{top}");
    destroyed("web");
}
