//! Values of options, as people write them.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use revenant::cpu::CpuSet;
use revenant::policy::PolicyKind;

use super::{ClassChoice, OBSERVATION_MAX};

/// Bytes of a name that the kernel half has room for.
const NAME_BYTES_MAX: usize = 31;
/// Units of time, the longest suffix first.
const UNITS: [(&str, u64); 5] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000)];

/// A policy by its name; help lists those there are.
pub(super) fn policy() -> impl TypedValueParser<Value = PolicyKind> {
    PossibleValuesParser::new(PolicyKind::ALL.map(PolicyKind::name))
        .try_map(|name| name.parse::<PolicyKind>())
}

pub(super) fn cpus(text: &str) -> Result<CpuSet, String> {
    match CpuSet::parse(text) {
        Ok(cpus) if cpus.is_empty() => Err("name at least one CPU, as in 1-3,7".to_owned()),
        Ok(cpus) => Ok(cpus),
        Err(error) => Err(error.to_string()),
    }
}

/// A name is part of a path, and of lines that people read.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && text.len() <= NAME_BYTES_MAX && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "a name has at most {NAME_BYTES_MAX} letters, digits, dots, dashes and underscores, and begins with a letter or digit"
    ))
}

pub(super) fn class(text: &str) -> Result<ClassChoice, String> {
    if text == "batch" {
        return Ok(ClassChoice::Batch);
    }
    let number = text.parse().map(ClassChoice::Number);
    number.map_err(|_| "give `batch`, or the number of a class, as in 3".to_owned())
}

/// A time above 0.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match limit(text)? {
        Duration::ZERO => Err("give a time above 0, as in 50us".to_owned()),
        time => Ok(time),
    }
}

/// A time with its unit, or 0.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    let fault = || "give a time with its unit, as in 30us, 500ms, 10s or 2min".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let unit = UNITS.into_iter().find_map(|(unit, ns)| Some((text.strip_suffix(unit)?, ns)));
    let (number, ns) = unit.ok_or_else(fault)?;
    let number: f64 = number.trim().parse().map_err(|_| fault())?;
    let ns = (number * ns as f64).round();
    // Far above every sense, far below what nanoseconds in 64 bits can hold.
    let is_sane = (0.0..=1e18).contains(&ns);
    if is_sane { Ok(Duration::from_nanos(ns as u64)) } else { Err(fault()) }
}

/// Seconds, with or without their unit.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse::<f64>().ok().map(|_| format!("{text}s"));
    let time = limit(time.as_deref().unwrap_or(text))?;
    if time.is_zero() || time > OBSERVATION_MAX {
        return Err(format!("give seconds above 0 and at most {}", OBSERVATION_MAX.as_secs()));
    }
    Ok(time)
}

/// A time as [`limit`] reads it, to the nanosecond.
pub(super) fn duration_text(time: Duration) -> String {
    let ns = time.as_nanos() as u64;
    let fits = |&&(unit, size): &&(&str, u64)| unit != "min" && ns.is_multiple_of(size);
    let (unit, size) = UNITS.iter().filter(fits).max_by_key(|(_, size)| *size).unwrap_or(&UNITS[0]);
    if ns == 0 { "0".to_owned() } else { format!("{}{unit}", ns / size) }
}
