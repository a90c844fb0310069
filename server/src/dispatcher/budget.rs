//! What the buffers of all connections hold together, and how much they may.
//!
//! Each connection has bounds of its own, but ten thousand at their bounds would hold more than any
//! machine has. Beyond the bound of all, a connection that holds more than an equal share of it is cut
//! when something happens to it. Whoever stays within a share is never cut, so that all together hold
//! at most twice the bound.

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    held_bytes: usize,
    max_bytes: usize,
    share_bytes: usize,
}

impl Budget {
    /// One of `max_bytes` for as many as `clients_max` connections.
    pub(super) fn new(max_bytes: usize, clients_max: usize) -> Self {
        Self { held_bytes: 0, max_bytes, share_bytes: max_bytes / clients_max.max(1) }
    }

    /// Bytes that all hold.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// A connection that was booked with `booked_bytes` holds `held_bytes` now.
    pub(super) fn book(&mut self, booked_bytes: &mut usize, held_bytes: usize) {
        self.held_bytes = self.held_bytes - *booked_bytes + held_bytes;
        *booked_bytes = held_bytes;
    }

    /// Whether a connection that holds so much has to go.
    pub(super) fn is_exceeded_by(&self, held_bytes: usize) -> bool {
        self.held_bytes > self.max_bytes && held_bytes > self.share_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_large_go_and_those_within_their_share_stay() {
        let mut budget = Budget::new(1_000, 10);
        let (mut large, mut small) = (0, 0);
        budget.book(&mut large, 950);
        assert!(!budget.is_exceeded_by(large), "all together have room");
        budget.book(&mut small, 60);
        assert!(!budget.is_exceeded_by(small) && budget.is_exceeded_by(large));
        budget.book(&mut large, 0);
        assert_eq!(budget.held_bytes(), 60);
    }

    proptest! {
        #[test]
        fn all_together_hold_at_most_twice_the_bound(
            steps in proptest::collection::vec((0_usize..20, 0_usize..500), 1..400),
        ) {
            let mut budget = Budget::new(1_000, 20);
            let mut booked = [0; 20];
            for (who, held_bytes) in steps {
                budget.book(&mut booked[who], held_bytes);
                if budget.is_exceeded_by(held_bytes) {
                    budget.book(&mut booked[who], 0);
                }
                prop_assert_eq!(budget.held_bytes(), booked.iter().sum::<usize>());
                prop_assert!(budget.held_bytes() <= 2_000);
            }
        }
    }
}
