//! How many requests of a class may be under way: as many as do not wait for long.
//!
//! Each request says when it is over how long it waited: for a worker, and again whenever it was
//! preempted. If most of an interval's requests waited longer than their class's target, and so it has
//! been for a while, there is a queue that does not drain, and the window shrinks by a part; else it
//! grows by a step while it is in the way. Refusing is cheap and early, so those who are let in are
//! served in time.

/// Judged at least this often while requests end, and never on fewer than [`SAMPLES_MIN`].
const INTERVAL_NS: u64 = 2_000_000;

/// Fewer say too little: one unlucky request would shrink the window.
const SAMPLES_MIN: u32 = 8;

/// A queue that drains is none to refuse for: after a stall of the machine everybody in flight was
/// late, and the next ones are not.
const SUSTAINED_NS: u64 = 20_000_000;

/// Part of the window that is lost to an overloaded interval. Halved, a queue drains too slowly;
/// doubled, CPUs idle after a burst. At least one place.
const SHRINK_DIVISOR: usize = 8;

/// Part of the window that is gained by a good one, at least one place.
const GROW_DIVISOR: usize = 32;

/// A class's window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    target_ns: u64,
    max: usize,
    size: usize,
    in_flight: usize,
    /// The window refused somebody, or was full, since the last judgement.
    was_full: bool,
    since_ns: u64,
    /// When an interval was late and all those after it, too.
    late_since_ns: Option<u64>,
    late: u32,
    in_time: u32,
    /// Mean time on a CPU.
    service_ns: u64,
    /// The longest wait of the last judged interval: when to come back.
    waited_ns: u64,
    waited_next_ns: u64,
}

/// There is no place; one should be free after this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// In nanoseconds.
    pub retry_after_ns: u64,
}

/// A request's story.
#[derive(Clone, Copy, Debug, Default)]
pub struct Over {
    /// When it ended.
    pub now_ns: u64,
    /// How long it was not on a CPU.
    pub waited_ns: u64,
    /// How long it was.
    pub service_ns: u64,
}

impl Window {
    /// A window of at most `max` requests that shall not wait longer than `target_ns`.
    pub fn new(target_ns: u64, max: usize) -> Self {
        Self {
            target_ns,
            max,
            size: max,
            in_flight: 0,
            was_full: false,
            since_ns: 0,
            late_since_ns: None,
            late: 0,
            in_time: 0,
            service_ns: 0,
            waited_ns: 0,
            waited_next_ns: 0,
        }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// There is none.
    pub fn enter(&mut self) -> Result<(), Full> {
        if self.in_flight >= self.size {
            self.was_full = true;
            let retry_after_ns = self.waited_ns.max(self.target_ns);
            return Err(Full { retry_after_ns });
        }
        self.in_flight += 1;
        Ok(())
    }

    /// A request was not begun after all.
    pub fn undo(&mut self) {
        self.in_flight -= 1;
    }

    /// A request is over.
    pub fn leave(&mut self, Over { now_ns, waited_ns, service_ns }: Over) {
        // Weight one in sixteen; shifted up, so that what is short does not round to nothing.
        self.service_ns = self.service_ns - self.service_ns / 16 + service_ns / 16;
        // A window that was about full is one that more requests would have used.
        self.was_full |= self.in_flight >= self.size;
        self.in_flight -= 1;
        self.waited_next_ns = self.waited_next_ns.max(waited_ns);
        if waited_ns > self.target_ns {
            self.late += 1;
        } else {
            self.in_time += 1;
        }
        let is_due = now_ns.saturating_sub(self.since_ns) >= INTERVAL_NS;
        if is_due && self.late + self.in_time >= SAMPLES_MIN {
            self.judge(now_ns);
        }
        if self.in_flight == 0 {
            self.late_since_ns = None;
        }
    }

    fn judge(&mut self, now_ns: u64) {
        if self.late > self.in_time {
            let late_since_ns = *self.late_since_ns.get_or_insert(now_ns);
            if now_ns.saturating_sub(late_since_ns) >= SUSTAINED_NS {
                self.shrink();
            }
        } else {
            self.late_since_ns = None;
            if self.was_full {
                self.size = (self.size + (self.size / GROW_DIVISOR).max(1)).min(self.max);
            }
        }
        self.since_ns = now_ns;
        (self.late, self.in_time, self.was_full) = (0, 0, false);
        (self.waited_ns, self.waited_next_ns) = (self.waited_next_ns, 0);
    }

    /// From what was really used: a wide window nobody fills would take long to matter.
    fn shrink(&mut self) {
        let used = self.size.min(self.in_flight + 1);
        self.size = (used - (used / SHRINK_DIVISOR).max(1)).max(self.floor());
    }

    /// As many as one CPU serves within the target: they cannot have waited for each other, but only
    /// for a machine that stood still, or for other classes.
    fn floor(&self) -> usize {
        let served = self.target_ns / self.service_ns.max(1);
        usize::try_from(served).unwrap_or(usize::MAX).clamp(1, self.max)
    }

    /// How many may be under way now.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many are.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const TARGET_NS: u64 = 1_000_000;
    const SERVICE_NS: u64 = 50_000;

    /// One first-come server in virtual time, offered a request every `gap_ns`. Returns the longest
    /// wait in the last half of the run, and how many were served and refused.
    fn run(window: &mut Window, gap_ns: u64, requests: u64) -> (u64, u64, u64) {
        let mut queue: VecDeque<(u64, u64)> = VecDeque::new();
        let (mut free_ns, mut worst_ns, mut served, mut refused) = (0, 0, 0, 0);
        for index in 0..requests {
            let now_ns = index * gap_ns;
            while queue.front().is_some_and(|(end_ns, _)| *end_ns <= now_ns) {
                let (end_ns, waited_ns) = queue.pop_front().unwrap();
                window.leave(Over { now_ns: end_ns, waited_ns, service_ns: SERVICE_NS });
                served += 1;
                if index > requests / 2 {
                    worst_ns = worst_ns.max(waited_ns);
                }
            }
            match window.enter() {
                Ok(()) => {
                    let start_ns = free_ns.max(now_ns);
                    free_ns = start_ns + SERVICE_NS;
                    queue.push_back((free_ns, start_ns - now_ns));
                }
                Err(full) => {
                    assert!(full.retry_after_ns >= TARGET_NS);
                    refused += 1;
                }
            }
        }
        (worst_ns, served, refused)
    }

    #[test]
    fn a_load_that_can_be_served_is_served_as_a_whole() {
        let mut window = Window::new(TARGET_NS, 1000);
        let (_, _, refused) = run(&mut window, SERVICE_NS * 10 / 9, 100_000);
        assert_eq!((refused, window.size()), (0, 1000));
    }

    #[test]
    fn overload_is_refused_at_the_door_and_the_rest_is_served_in_time() {
        let mut window = Window::new(TARGET_NS, 1000);
        let (worst_ns, served, refused) = run(&mut window, SERVICE_NS * 10 / 13, 100_000);
        assert!(worst_ns < 2 * TARGET_NS, "waited {worst_ns} ns");
        assert!(refused > 20_000, "refused {refused}");
        assert!(served > 70_000, "the server idled: {served} served");
    }

    #[test]
    fn a_window_recovers_after_overload() {
        let mut window = Window::new(TARGET_NS, 1000);
        run(&mut window, SERVICE_NS / 4, 50_000);
        let during = window.size();
        let mut late = window;
        // What the overload left behind ends long before the calm begins.
        let last = Over { now_ns: 1, service_ns: SERVICE_NS, ..Over::default() };
        (0..late.in_flight()).for_each(|_| late.leave(last));
        let (_, _, refused) = run(&mut late, SERVICE_NS * 2, 50_000);
        assert!(during < 100 && refused == 0, "window {during}, then refused {refused}");
    }

    #[test]
    fn a_stall_of_the_machine_is_no_overload() {
        const CLIENTS: usize = 200;
        let mut window = Window::new(TARGET_NS, CLIENTS);
        (0..CLIENTS).for_each(|_| window.enter().unwrap());
        // Every client asks again as soon as it is served; now and then nobody is for 25 ms.
        let mut now_ns = 0;
        for round in 0..100 {
            let stall_ns = if round % 4 == 0 { 25_000_000 } else { 0 };
            now_ns += stall_ns;
            for _ in 0..CLIENTS {
                now_ns += TARGET_NS / CLIENTS as u64;
                window.leave(Over { now_ns, waited_ns: stall_ns, service_ns: TARGET_NS / 10 });
                assert_eq!(window.enter(), Ok(()), "refused in round {round}");
            }
        }
    }

    #[test]
    fn a_window_never_closes() {
        let mut window = Window::new(0, 4);
        window.enter().unwrap();
        for now_ns in (0..1_000).map(|step| step * INTERVAL_NS) {
            let _one_waits = window.enter();
            window.leave(Over { now_ns, waited_ns: 1, service_ns: 1 });
            let _another_does = window.enter();
        }
        assert_eq!(window.size(), 1);
        assert!(window.enter().is_err());
        window.leave(Over::default());
        assert!(window.enter().is_ok());
    }
}
