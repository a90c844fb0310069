//! CPUs and sets of them.

use std::fmt;

use serde::Serialize;

/// CPUs a [`CpuSet`] can name. ghOSt's own bound; the simulator studies machines up to it.
pub const CPUS_MAX: usize = 512;

const WORD_BITS: usize = u64::BITS as usize;

/// A logical CPU, by the kernel's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CpuId(pub u16);

impl CpuId {
    /// The number as an index into per-CPU tables.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of CPUs: a fixed bit map, so that set algebra in the agent's turn never allocates.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CpuSet {
    words: [u64; CPUS_MAX / WORD_BITS],
}

impl CpuSet {
    /// The empty set.
    pub const EMPTY: Self = Self { words: [0; CPUS_MAX / WORD_BITS] };

    /// Adds `cpu`.
    ///
    /// # Panics
    /// If the CPU's number is not below [`CPUS_MAX`].
    pub fn insert(&mut self, cpu: CpuId) {
        self.words[cpu.index() / WORD_BITS] |= 1 << (cpu.index() % WORD_BITS);
    }

    /// Takes `cpu` out; no effect if it is not in the set.
    pub fn remove(&mut self, cpu: CpuId) {
        self.words[cpu.index() / WORD_BITS] &= !(1 << (cpu.index() % WORD_BITS));
    }

    /// Whether `cpu` is in the set.
    pub fn contains(&self, cpu: CpuId) -> bool {
        cpu.index() < CPUS_MAX
            && self.words[cpu.index() / WORD_BITS] & (1 << (cpu.index() % WORD_BITS)) != 0
    }

    /// How many CPUs the set holds.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether the set holds none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The lowest-numbered CPU of the set.
    pub fn first(&self) -> Option<CpuId> {
        self.iter().next()
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = CpuId> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            Bits(word).map(move |bit| CpuId((index * WORD_BITS) as u16 + bit))
        })
    }

    /// CPUs in both sets.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
        self
    }

    /// CPUs of this set that are not in `other`.
    #[must_use]
    pub fn minus(mut self, other: &Self) -> Self {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
        self
    }

    /// Parses the kernel's list form: `0-3,7`.
    ///
    /// # Errors
    /// The piece that is not a number or range below [`CPUS_MAX`].
    pub fn parse(list: &str) -> Result<Self, CpuListError> {
        let mut set = Self::EMPTY;
        for piece in list.trim().split(',').filter(|piece| !piece.is_empty()) {
            let fault = || CpuListError { piece: piece.to_owned() };
            let (low, high) = piece.split_once('-').unwrap_or((piece, piece));
            let low: u16 = low.trim().parse().map_err(|_| fault())?;
            let high: u16 = high.trim().parse().map_err(|_| fault())?;
            if low > high || usize::from(high) >= CPUS_MAX {
                return Err(fault());
            }
            (low..=high).for_each(|cpu| set.insert(CpuId(cpu)));
        }
        Ok(set)
    }
}

/// A piece of a CPU list that names no CPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cpu list: `{piece}` is neither a CPU number nor a range like 0-3 (numbers below {CPUS_MAX})"
)]
pub struct CpuListError {
    /// The piece at fault.
    pub piece: String,
}

/// The set bits of one word, lowest first.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        (self.0 != 0).then(|| {
            let bit = self.0.trailing_zeros() as u16;
            self.0 &= self.0 - 1;
            bit
        })
    }
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> Self {
        let mut set = Self::EMPTY;
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

impl fmt::Display for CpuSet {
    /// The kernel's list form: `0-3,7`; `none` when empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpus: Vec<u16> = self.iter().map(|cpu| cpu.0).collect();
        if cpus.is_empty() {
            return f.write_str("none");
        }
        let runs = cpus.chunk_by(|a, b| a + 1 == *b);
        for (index, run) in runs.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match run {
                [only] => write!(f, "{comma}{only}")?,
                _ => write!(f, "{comma}{}-{}", run[0], run[run.len() - 1])?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_list_form_round_trips(cpus in proptest::collection::btree_set(0u16..512, 0..40)) {
            let set: CpuSet = cpus.iter().map(|cpu| CpuId(*cpu)).collect();
            prop_assert_eq!(set.len(), cpus.len());
            prop_assert!(set.iter().map(|cpu| cpu.0).eq(cpus.iter().copied()));
            let text = if cpus.is_empty() { String::new() } else { set.to_string() };
            prop_assert_eq!(CpuSet::parse(&text).unwrap(), set);
        }
    }

    #[test]
    fn a_bad_piece_is_named() {
        for (list, piece) in [("0,x", "x"), ("3-1", "3-1"), ("0-512", "0-512")] {
            assert_eq!(CpuSet::parse(list).unwrap_err().piece, piece);
        }
    }
}
