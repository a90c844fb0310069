//! Lines of tracefs.

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happening<'t> {
    /// A CPU went from one thread to another.
    Switch { from: Thread<'t>, state: &'t str, to: Thread<'t> },
    /// A thread became runnable, to run on `cpu`.
    Wakeup { thread: Thread<'t>, cpu: u32 },
}

/// A thread; the one with number 0 is no thread, but a CPU that idles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thread<'t> {
    pub(crate) name: &'t str,
    pub(crate) tid: u32,
}

/// An event, where and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceLine<'t> {
    pub(crate) cpu: u32,
    pub(crate) time_us: u64,
    pub(crate) happening: Happening<'t>,
}

/// Reads a line; `None` for comments and events that were not asked for.
pub(crate) fn read(line: &str) -> Option<TraceLine<'_>> {
    // A name may contain whatever it likes; what follows it does not.
    let (head, event, fields) =
        ["sched_switch", "sched_wakeup", "sched_wakeup_new"].into_iter().find_map(|event| {
            let (head, fields) = line.split_once(&format!(": {event}: "))?;
            Some((head, event, fields))
        })?;
    let mut words = head.split_whitespace().rev();
    let time_us = microseconds(words.next()?)?;
    let cpu = words.find_map(|word| word.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    let happening = match event {
        "sched_switch" => switch(fields)?,
        _ => wakeup(fields)?,
    };
    Some(TraceLine { cpu, time_us, happening })
}

fn switch(fields: &str) -> Option<Happening<'_>> {
    let (from, to) = fields.rsplit_once(" ==> ")?;
    let (rest, state) = from.rsplit_once(" prev_state=")?;
    let from = thread(rest, "prev_comm=", " prev_pid=")?;
    let to = thread(to, "next_comm=", " next_pid=")?;
    Some(Happening::Switch { from, state, to })
}

fn wakeup(fields: &str) -> Option<Happening<'_>> {
    let cpu = fields.rsplit_once(" target_cpu=")?.1.trim().parse().ok()?;
    Some(Happening::Wakeup { thread: thread(fields, "comm=", " pid=")?, cpu })
}

fn thread<'t>(fields: &'t str, name: &str, tid: &str) -> Option<Thread<'t>> {
    let (name, rest) = fields.strip_prefix(name)?.rsplit_once(tid)?;
    let tid = rest.split_whitespace().next()?.parse().ok()?;
    Some(Thread { name, tid })
}

/// `SECONDS.FRACTION`, with a fraction of six digits.
fn microseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.trim_end_matches(':').split_once('.')?;
    if fraction.len() != 6 {
        return None;
    }
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_read() {
        let line = "     my server-901   [002] d..2.   12.000345: sched_switch: prev_comm=my server prev_pid=901 prev_prio=120 prev_state=S ==> next_comm=swapper/2 next_pid=0 next_prio=120";
        let from = Thread { name: "my server", tid: 901 };
        let to = Thread { name: "swapper/2", tid: 0 };
        let happening = Happening::Switch { from, state: "S", to };
        assert_eq!(read(line), Some(TraceLine { cpu: 2, time_us: 12_000_345, happening }));
    }

    #[test]
    fn a_wakeup_is_read() {
        let line = "  <idle>-0  [000] d.h4.  1.000001: sched_wakeup: comm=a [9] b pid=7 prio=120 target_cpu=003";
        let thread = Thread { name: "a [9] b", tid: 7 };
        let happening = Happening::Wakeup { thread, cpu: 3 };
        assert_eq!(read(line), Some(TraceLine { cpu: 0, time_us: 1_000_001, happening }));
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        for line in [
            "# tracer: nop",
            "",
            "CPU:1 [LOST 12 EVENTS]",
            "x: sched_switch: y",
            "a-1 [x] 1.0: sched_wakeup: ",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
