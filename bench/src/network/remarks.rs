//! What must be known to read a comparison, in sentences: the terminal and the report show the same.

use super::document::{Contest, Document, Entry};

/// What stands first when not everything was measured.
const INTERRUPTED: &str = "Interrupted: these are partial results.";

/// What was asked, and who ran where.
pub(super) fn setting(contest: &Contest) -> String {
    let Contest { about, generator_cpu, server_cpus, seeds, .. } = contest;
    let times = match (contest.objective.is_some(), seeds) {
        (true, 1) => "one search each".to_owned(),
        (true, _) => format!("medians of {seeds} searches"),
        (false, 1) => "one run each".to_owned(),
        (false, _) => format!("medians of {seeds} runs"),
    };
    format!(
        "{about}; generator on CPU {generator_cpu}, servers on CPU {server_cpus}, one at a time; \
         {times}"
    )
}

/// That results are partial, if they are.
pub(super) fn interruption(document: &Document) -> Option<&'static str> {
    (!document.complete).then_some(INTERRUPTED)
}

/// What makes the numbers of a server worth less than they look.
pub(super) fn of(entry: &Entry) -> String {
    let (failed, invalid) = (entry.failed(), entry.invalid());
    let mut remarks = Vec::new();
    if entry.runs.is_empty() {
        remarks.push("not measured".to_owned());
    }
    if failed > 0 {
        remarks.push(format!("{failed} requests failed, and count as infinitely slow"));
    }
    if invalid > 0 && entry.found.is_none() {
        remarks.push(format!("{invalid} of {} runs INVALID", entry.runs.len()));
        let faults = entry.runs.iter().flat_map(|run| run.faults());
        remarks.extend(faults.take(1));
    }
    if let Some(late_us) = entry.medians().lateness_p99_us {
        remarks.push(format!("99 % of requests were sent at most {late_us:.1} us late"));
    }
    format!("{}: {}", entry.contender, remarks.join("; "))
}
