//! Loading and unloading. The loaded scheduler belongs to nobody: its link, programs and maps are
//! pinned, so it outlives the process that loaded it and everyone who uses it.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libbpf_rs::skel::{OpenSkel as _, Skel as _, SkelBuilder as _};
use libbpf_rs::{Link, MapCore as _, OpenObject};

use crate::error::LoadError;
use crate::kernel::{self, Features};
use crate::scheduler::{PINS, Scheduler};
use crate::skeleton::{OpenRevenantSkel, RevenantSkel, RevenantSkelBuilder};

/// What the scheduler calls itself: `name` at the end of `bpf/revenant.bpf.c`.
const NAME: &str = "revenant";

/// From the kernel's `enum scx_ops_flags`; the same in every version.
const SCX_OPS_ENQ_LAST: u64 = 1 << 1;
const SCX_OPS_SWITCH_PARTIAL: u64 = 1 << 3;

/// Loads the scheduler and pins it.
///
/// # Errors
/// What is in the way, and how to get it out of it. Nothing is left behind.
pub fn load() -> Result<(), LoadError> {
    let features = kernel::check()?;
    // A scheduler that ended leaves its pins behind; the check has said that none is active.
    unload()?;
    let mut object = MaybeUninit::uninit();
    let skeleton = load_object(&mut object, features)?;
    attach(skeleton, features).inspect_err(|_| {
        // What was pinned so far; the first error is the one worth reporting.
        let _best_effort = unload();
    })
}

fn refused(step: &'static str) -> impl FnOnce(libbpf_rs::Error) -> LoadError {
    move |source| LoadError::Refused { step, source }
}

fn load_object(
    object: &mut MaybeUninit<OpenObject>,
    features: Features,
) -> Result<RevenantSkel<'_>, LoadError> {
    let mut open =
        RevenantSkelBuilder::default().open(object).map_err(refused("open the program"))?;
    configure(&mut open, features);
    open.load().map_err(refused("verify the scheduler"))
}

fn configure(open: &mut OpenRevenantSkel<'_>, features: Features) {
    let operations = open.struct_ops.revenant_mut();
    operations.flags = SCX_OPS_ENQ_LAST | SCX_OPS_SWITCH_PARTIAL;
    if features.immediate {
        // Deprecated where there is a better way, and missing from the future.
        operations.cpu_release = std::ptr::null_mut();
        open.progs.rv_cpu_release.set_autoload(false);
    }
}

/// Puts the scheduler to work. From its first pin on it lives without this process.
fn attach(mut skeleton: RevenantSkel<'_>, features: Features) -> Result<(), LoadError> {
    fs::create_dir_all(PINS).map_err(pin_error(PINS))?;
    pin_all(&mut skeleton)?;
    let mut links = vec![
        (
            "switch_link",
            skeleton.progs.rv_switch.attach().map_err(refused("attach to sched_switch"))?,
        ),
        (
            "wakeup_link",
            skeleton.progs.rv_wakeup.attach().map_err(refused("attach to sched_wakeup"))?,
        ),
        (
            "exit_link",
            skeleton
                .progs
                .rv_thread_exit
                .attach()
                .map_err(refused("attach to sched_process_exit"))?,
        ),
    ];
    let scheduler = Scheduler::open_pins().map_err(|source| LoadError::Pin {
        path: PINS.to_owned(),
        source: io::Error::other(source),
    })?;
    scheduler.machine().has_immediate.store(u32::from(features.immediate), Ordering::Relaxed);
    let link =
        skeleton.maps.revenant.attach_struct_ops().map_err(refused("enable the scheduler"))?;
    links.push(("link", link));
    pin_links(links)?;
    check_alive(&scheduler)?;
    scheduler.start_watchdog().map_err(|error| LoadError::Ended { reason: error.to_string() })
}

fn pin_links(links: Vec<(&str, Link)>) -> Result<(), LoadError> {
    for (name, mut link) in links {
        link.pin(format!("{PINS}/{name}")).map_err(refused("pin a link"))?;
    }
    Ok(())
}

fn pin_all(skeleton: &mut RevenantSkel<'_>) -> Result<(), LoadError> {
    for mut map in skeleton.object_mut().maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        // The operations are held by the link; names with dots are sections, which bpffs refuses.
        if name != "revenant" && !name.contains('.') {
            map.pin(format!("{PINS}/{name}")).map_err(refused("pin a map"))?;
        }
    }
    for mut program in skeleton.object_mut().progs_mut() {
        if program.prog_type() == libbpf_rs::ProgramType::Syscall {
            let name = program.name().to_string_lossy().into_owned();
            program.pin(format!("{PINS}/{name}")).map_err(refused("pin a program"))?;
        }
    }
    Ok(())
}

/// The kernel reports success even if it threw the scheduler out while taking it in.
fn check_alive(scheduler: &Scheduler) -> Result<(), LoadError> {
    match scheduler.exit() {
        None => Ok(()),
        Some(exit) => Err(LoadError::Ended { reason: exit }),
    }
}

fn pin_error(path: &str) -> impl FnOnce(io::Error) -> LoadError {
    let path = path.to_owned();
    move |source| LoadError::Pin { path, source }
}

/// How long the kernel may take to end a scheduler: it visits every thread of the machine.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Removes every pin and waits until the scheduler has ended. Its tasks are in the fair class then.
///
/// # Errors
/// A pin could not be removed.
pub fn unload() -> Result<(), LoadError> {
    if !Path::new(PINS).exists() {
        return Ok(());
    }
    let entries = fs::read_dir(PINS).map_err(pin_error(PINS))?;
    for entry in entries.flatten() {
        let path = entry.path();
        fs::remove_file(&path).map_err(pin_error(&path.to_string_lossy()))?;
    }
    fs::remove_dir(PINS).map_err(pin_error(PINS))?;
    const STEP: Duration = Duration::from_millis(1);
    // Longer only if somebody else holds the link, who then answers for it.
    for _ in 0..END_PATIENCE.as_millis() / STEP.as_millis() {
        if kernel::active().as_deref() != Some(NAME) {
            break;
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}
