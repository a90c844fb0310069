//! Holds the two headers written by hand against what they describe: `kernel.h` against the running
//! kernel's own description of its types, and `abi.h`, as compiled, against `abi.rs`.

#![cfg(feature = "kernel")]

use std::ffi::OsStr;
use std::mem::offset_of;

use libbpf_rs::btf::types::{Composite, Enum, Enum64, Func, FuncProto, MemberAttr};
use libbpf_rs::btf::{Btf, BtfKind, BtfType, HasSize as _, ReferencesType as _, TypeId};
use revenant_bpf::abi;

const HEADER: &str = include_str!("../src/bpf/kernel.h");
static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/revenant.bpf.o"));

fn object() -> Btf<'static> {
    Btf::from_raw("revenant", OBJECT).expect("it is an object").expect("clang -g describes types")
}

/// The kernel's, if it is one that the header speaks of.
fn kernel() -> Option<Btf<'static>> {
    let btf = Btf::from_vmlinux().ok()?;
    let knows_sched_ext = btf.type_by_name::<Composite<'_>>("sched_ext_ops").is_some();
    if !knows_sched_ext {
        assert!(std::env::var_os("REVENANT_VM").is_none(), "a guest's kernel has sched_ext");
        println!("SKIPPED: this kernel has no sched_ext: vm/test kernel-types");
        return None;
    }
    Some(btf)
}

fn offset(attr: MemberAttr) -> u32 {
    match attr {
        MemberAttr::Normal { offset } | MemberAttr::BitField { offset, .. } => offset,
    }
}

/// The type of a struct's member, also if it is one of an anonymous part of it.
fn member(btf: &Btf<'_>, of: Composite<'_>, name: &OsStr) -> Option<TypeId> {
    of.iter().find_map(|member| {
        if member.name == Some(name) {
            return Some(member.ty);
        }
        let is_anonymous = member.name.is_none_or(OsStr::is_empty);
        let part = btf.type_by_id::<BtfType<'_>>(member.ty).filter(|_| is_anonymous)?;
        self::member(btf, Composite::try_from(part.skip_mods_and_typedefs()).ok()?, name)
    })
}

/// What must agree: the kind, and the bytes of numbers.
fn shape(ty: BtfType<'_>) -> (BtfKind, Option<usize>) {
    let ty = ty.skip_mods_and_typedefs();
    match ty.kind() {
        // Numbers may be named: an enum of four bytes is one.
        BtfKind::Int | BtfKind::Enum | BtfKind::Enum64 => {
            let int = libbpf_rs::btf::types::Int::try_from(ty).map(|int| int.size());
            let named = Enum::try_from(ty).map(|named| named.size());
            (BtfKind::Int, int.or(named).ok())
        }
        kind => (kind, None),
    }
}

/// Names of the structs that `kernel.h` lays out.
fn structs() -> impl Iterator<Item = &'static str> {
    HEADER.lines().filter_map(|line| line.strip_prefix("struct ")?.strip_suffix(" {"))
}

#[test]
fn every_field_the_scheduler_names_is_in_the_kernel() {
    let Some(kernel) = kernel() else { return };
    let object = object();
    let mut fields = 0;
    for name in structs() {
        // Structs the program does not use are not in its description.
        let Some(ours) = object.type_by_name::<Composite<'_>>(name) else { continue };
        let theirs = kernel.type_by_name::<Composite<'_>>(name);
        let theirs = theirs.unwrap_or_else(|| panic!("the kernel has no struct {name}"));
        for field in ours.iter() {
            let field_name = field.name.expect("kernel.h names its fields");
            let said = object.type_by_id::<BtfType<'_>>(field.ty).expect("it has a type");
            let found = member(&kernel, theirs, field_name);
            let found = found.unwrap_or_else(|| panic!("struct {name} has no {field_name:?}"));
            let found = kernel.type_by_id::<BtfType<'_>>(found).expect("it has a type");
            assert_eq!(shape(said), shape(found), "struct {name}, {field_name:?}");
            fields += 1;
        }
    }
    assert!(fields > 40, "only {fields} fields were compared");
}

#[test]
fn opaque_structs_are_as_big_as_the_kernels() {
    let Some(kernel) = kernel() else { return };
    let object = object();
    for name in ["bpf_timer", "bpf_iter_scx_dsq", "bpf_iter_num"] {
        let size = |btf: &Btf<'_>| btf.type_by_name::<Composite<'_>>(name).map(|ty| ty.size());
        assert_eq!(size(&object), size(&kernel), "struct {name}");
    }
}

/// `#define NAME VALUE` of `kernel.h`, where the value is a number, a shift, a product, or several of
/// them with `|` between.
fn constants() -> impl Iterator<Item = (&'static str, u64)> {
    HEADER.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("#define SCX_")?.split_once(' ')?;
        let name = &line["#define ".len()..][..name.len() + "SCX_".len()];
        Some((name, value.trim_matches(['(', ')']).split('|').map(evaluate).fold(0, |a, b| a | b)))
    })
}

fn evaluate(term: &str) -> u64 {
    let number = |text: &str| -> u64 {
        let text = text.trim().trim_end_matches("ULL");
        text.strip_prefix('~')
            .map_or_else(|| text.parse(), |text| text.parse().map(|n: u64| !n))
            .unwrap()
    };
    if let Some((a, b)) = term.split_once("<<") {
        number(a) << number(b)
    } else if let Some((a, b)) = term.split_once('*') {
        number(a) * number(b)
    } else {
        number(term)
    }
}

#[test]
fn every_constant_has_the_kernels_value() {
    let Some(kernel) = kernel() else { return };
    // The enumerations that 6.13 has, and their successors.
    let lists = [
        "scx_enq_flags",
        "scx_deq_flags",
        "scx_kick_flags",
        "scx_dsq_id_flags",
        "scx_public_consts",
    ];
    let value = |name: &str| {
        let is_it = |member: Option<&OsStr>| member == Some(OsStr::new(name));
        lists.iter().find_map(|list| {
            let wide = kernel.type_by_name::<Enum64<'_>>(list).and_then(|list| {
                list.iter().find(|member| is_it(member.name)).map(|member| member.value as u64)
            });
            wide.or_else(|| {
                let list = kernel.type_by_name::<Enum<'_>>(list)?;
                list.iter().find(|member| is_it(member.name)).map(|member| member.value as u64)
            })
        })
    };
    let mut compared = 0;
    for (name, ours) in constants() {
        let theirs = value(name).unwrap_or_else(|| panic!("the kernel has no {name}"));
        assert_eq!(ours, theirs, "{name}");
        compared += 1;
    }
    assert!(compared > 10, "only {compared} constants were compared");
}

/// Functions of `kernel.h`, and whether a kernel may lack them.
fn functions() -> impl Iterator<Item = (&'static str, bool)> {
    HEADER.split("extern ").skip(1).filter_map(|declaration| {
        let declaration = declaration.split(';').next()?;
        let name = declaration.split('(').next()?.rsplit([' ', '*']).next()?;
        Some((name, declaration.contains("__weak")))
    })
}

fn parameters(btf: &Btf<'_>, function: &str) -> Option<usize> {
    let function = btf.type_by_name::<Func<'_>>(function)?;
    let prototype = btf.type_by_id::<FuncProto<'_>>(function.referenced_type_id())?;
    Some(prototype.len())
}

#[test]
fn every_function_is_in_the_kernel_with_as_many_parameters() {
    let Some(kernel) = kernel() else { return };
    let object = object();
    let mut compared = 0;
    for (name, is_optional) in functions() {
        let Some(theirs) = parameters(&kernel, name) else {
            assert!(is_optional, "the kernel has no {name}");
            continue;
        };
        // Functions the program does not call are not in its description.
        if let Some(ours) = parameters(&object, name) {
            assert_eq!(ours, theirs, "{name}");
            compared += 1;
        }
    }
    assert!(compared > 15, "only {compared} functions were compared");
}

/// Every field of a structure of `abi.rs`, against the one that clang laid out.
macro_rules! same_layout {
    ($btf:ident: $($rust:ident = $c:literal { $($field:ident),* $(,)? })*) => {
        $({
            let c = $btf.type_by_name::<Composite<'_>>($c);
            let c = c.unwrap_or_else(|| panic!("no program uses struct {}", $c));
            assert_eq!(c.size(), size_of::<abi::$rust>(), $c);
            let ours = [$((stringify!($field), offset_of!(abi::$rust, $field))),*];
            let theirs: Vec<_> = c.iter().map(|m| {
                let name = m.name.expect("abi.h names its fields").to_str().expect("ASCII");
                (name, offset(m.attr) as usize / 8)
            }).collect();
            assert_eq!(theirs, ours, $c);
        })*
    };
}

#[test]
fn both_sides_lay_out_what_they_share_alike() {
    let object = object();
    same_layout! { object:
        Message = "rv_message" { kind, cpu, seq, task, time_ns, runtime_ns }
        StatusWord = "rv_status_word" {
            version, task, seq_state_cpu, runtime_ns, since_ns, tid, tgid, enclave, weight, channel,
            unused,
        }
        Channel = "rv_channel" { seq, lost, read, capacity, wakes, unused }
        Transaction = "rv_transaction" { task, slice_ns, seq, cpu, flags, outcome, unused }
        Enclave = "rv_enclave" {
            state, flags, generation, agent_tgid, heartbeat_ns, orphaned_ns, silence_limit_ns,
            orphan_limit_ns, watchdog_ns, tasks, steps_down, reason, reason_tid, reason_ns, messages,
            fallback_runs, fast_path_runs, outcomes, created_ns, blackout_ns, turns, handoffs,
            agent_cpu, keeper_tgid, unused, delays, name, policy,
        }
        Cpu = "rv_cpu" {
            owner, is_online, current, latched, is_busy, is_busy_told, agent_tid, is_wanted, is_armed,
            latch_seq, latch_slice_ns, busy_times, unused,
        }
        Offer = "rv_offer" { task, slice_ns, seq, unused }
        Offers = "rv_offers" { head, unused, tail, unused2, ring }
        Hint = "rv_hint" { task, deadline_ns, class, tier, unused, weight, unused2, unused3 }
        Machine = "rv_machine" {
            abi_version, cpus, has_immediate, exit_kind, exit_code, watchdog_ticks, tasks_refused,
            strays, slots_used, slots_max, strays_now, exit_reason, exit_message,
        }
        Commit = "rv_commit" {
            enclave, count, is_all_or_none, channel, seq_read, local_cpu, first, result, unused,
        }
        Join = "rv_join" { enclave, tid, task, result, unused }
        Attach = "rv_attach" { enclave, tid, cpu, result }
        Resize = "rv_resize" { enclave, cpu, claim, release, result, unused }
        Route = "rv_route" { task, enclave, seq, channel, result }
        Named = "rv_named" { enclave, result }
        Timer = "rv_timer" { enclave, cpu, after_ns, result, unused }
    }
}
