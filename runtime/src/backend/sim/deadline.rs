//! The next event of every CPU, and which CPU's comes first.

/// A tournament over CPUs: changing one deadline replays its matches only.
#[derive(Clone, Debug)]
pub(super) struct Deadlines {
    /// Node `i` holds the earlier of `2i` and `2i + 1`; leaves are the second half.
    earliest_ns: Vec<u64>,
}

impl Deadlines {
    /// `cpus` CPUs without a deadline.
    pub(super) fn new(cpus: usize) -> Self {
        Self { earliest_ns: vec![u64::MAX; 2 * cpus.next_power_of_two().max(1)] }
    }

    pub(super) fn set(&mut self, cpu: usize, deadline_ns: u64) {
        let mut node = self.earliest_ns.len() / 2 + cpu;
        self.earliest_ns[node] = deadline_ns;
        while node > 1 {
            let earlier_ns = self.earliest_ns[node].min(self.earliest_ns[node ^ 1]);
            node /= 2;
            if self.earliest_ns[node] == earlier_ns {
                return;
            }
            self.earliest_ns[node] = earlier_ns;
        }
    }

    /// The earliest deadline; `u64::MAX` if there is none.
    pub(super) fn first_ns(&self) -> u64 {
        self.earliest_ns[1]
    }

    /// Whose it is; the lowest-numbered CPU's if several share it.
    pub(super) fn first_cpu(&self) -> usize {
        let leaves = self.earliest_ns.len() / 2;
        let mut node = 1;
        while node < leaves {
            node *= 2;
            node += usize::from(self.earliest_ns[node] != self.first_ns());
        }
        node - leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_is_the_lowest_of_all(
            cpus in 1usize..40,
            changes in proptest::collection::vec((0usize..40, 0u64..20), 1..60),
        ) {
            let mut deadlines = Deadlines::new(cpus);
            let mut model = vec![u64::MAX; cpus];
            for (cpu, deadline_ns) in changes {
                deadlines.set(cpu % cpus, deadline_ns);
                model[cpu % cpus] = deadline_ns;
                let first_ns = *model.iter().min().unwrap();
                prop_assert_eq!(deadlines.first_ns(), first_ns);
                let first_cpu = model.iter().position(|ns| *ns == first_ns).unwrap();
                prop_assert_eq!(deadlines.first_cpu(), first_cpu);
            }
        }
    }
}
