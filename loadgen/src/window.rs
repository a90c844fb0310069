//! Windows of time in which a CPU made no progress, and who was caught in them.

use serde::Serialize;

/// A stall: from the last sign of life to the next, in nanoseconds from the start of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Last sign of life.
    pub start_ns: u64,
    /// Next sign of life.
    pub end_ns: u64,
}

/// Windows by ascending time, none touching another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    disjoint: Vec<Window>,
}

impl Windows {
    /// Sorts the windows of any number of CPUs and joins those that touch. A window that ends
    /// before it starts is left out.
    #[must_use]
    pub fn new(windows: &[Window]) -> Self {
        let mut sorted: Vec<Window> =
            windows.iter().filter(|window| window.start_ns <= window.end_ns).copied().collect();
        sorted.sort_unstable_by_key(|window| window.start_ns);
        let mut disjoint: Vec<Window> = Vec::with_capacity(sorted.len());
        for window in sorted {
            match disjoint.last_mut() {
                Some(last) if window.start_ns <= last.end_ns => {
                    last.end_ns = last.end_ns.max(window.end_ns);
                }
                _ => disjoint.push(window),
            }
        }
        Self { disjoint }
    }

    /// Whether the time from `start_ns` to `end_ns`, both included, shares an instant with any
    /// window.
    #[must_use]
    pub fn overlap(&self, start_ns: u64, end_ns: u64) -> bool {
        // Disjoint and sorted by start means sorted by end too, which the search relies on.
        let first = self.disjoint.partition_point(|window| window.end_ns < start_ns);
        self.disjoint.get(first).is_some_and(|window| window.start_ns <= end_ns)
    }

    /// How many windows there are after joining.
    #[must_use]
    pub fn count(&self) -> usize {
        self.disjoint.len()
    }

    /// Length of the longest, 0 without any.
    #[must_use]
    pub fn longest_ns(&self) -> u64 {
        self.disjoint.iter().map(|window| window.end_ns - window.start_ns).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(start_ns: u64, end_ns: u64) -> Window {
        Window { start_ns, end_ns }
    }

    #[test]
    fn touching_windows_are_one() {
        let windows = Windows::new(&[window(50, 60), window(10, 20), window(20, 30), window(9, 5)]);
        assert_eq!(windows.count(), 2);
        assert_eq!(windows.longest_ns(), 20);
    }

    #[test]
    fn the_ends_belong_to_the_window() {
        let windows = Windows::new(&[window(10, 20)]);
        assert!(windows.overlap(0, 10) && windows.overlap(20, 30) && windows.overlap(12, 13));
        assert!(!windows.overlap(0, 9) && !windows.overlap(21, 30));
    }

    proptest! {
        #[test]
        fn overlap_is_that_of_looking_at_every_window(
            pairs in prop::collection::vec((0..300_u64, 0..40_u64), 0..30),
            start_ns in 0..340_u64,
            length_ns in 0..60_u64,
        ) {
            let list: Vec<Window> =
                pairs.iter().map(|&(start_ns, length)| window(start_ns, start_ns + length)).collect();
            let end_ns = start_ns + length_ns;
            let naive =
                list.iter().any(|window| window.start_ns <= end_ns && window.end_ns >= start_ns);
            prop_assert_eq!(Windows::new(&list).overlap(start_ns, end_ns), naive);
        }
    }
}
