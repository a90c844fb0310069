//! CPU time of a process.

use std::fs;

use super::ObserverError;

/// CPU time that a process has used, all its threads together, to a tick of 10 ms.
pub(super) fn cpu_ns(pid: u32) -> Result<u64, ObserverError> {
    let error =
        |reason: &dyn std::fmt::Display| ObserverError::Process { pid, reason: reason.to_string() };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|source| error(&source))?;
    let ticks = ticks(&stat).ok_or_else(|| error(&"its stat file has no times"))?;
    Ok(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// User and system time of a stat line; its command may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_command) = stat.rsplit_once(')')?;
    let mut fields = after_command.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_both_times_behind_any_command() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 150 27 0 0 20 0 1 0 5";
        assert_eq!(ticks(stat), Some(177));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_has_used_some() {
        assert!(cpu_ns(std::process::id()).is_ok());
    }
}
