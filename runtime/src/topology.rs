//! How CPUs hang together: cores, shared caches, memory nodes.

use crate::cpu::{CPUS_MAX, CpuId, CpuSet};

mod sysfs;

pub use sysfs::TopologyError;

/// Where a CPU sits. Numbers name groups; they mean nothing across machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuPlace {
    /// Physical core: CPUs of one core are SMT siblings.
    pub core: u16,
    /// Last-level cache.
    pub llc: u16,
    /// NUMA node.
    pub node: u16,
}

/// CPUs and their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    cpus: CpuSet,
    places: Vec<CpuPlace>,
}

/// The shape of a made-up machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// NUMA nodes.
    pub nodes: u16,
    /// Last-level caches a node.
    pub llcs_per_node: u16,
    /// Physical cores a cache.
    pub cores_per_llc: u16,
    /// Hardware threads a core.
    pub threads_per_core: u16,
}

impl Topology {
    /// `count` CPUs, numbered from 0, on cores of their own behind one cache.
    ///
    /// # Panics
    /// If `count` exceeds [`CPUS_MAX`].
    pub fn flat(count: usize) -> Self {
        assert!(count <= CPUS_MAX, "{count} CPUs exceed the bound of {CPUS_MAX}");
        let shape =
            Shape { nodes: 1, llcs_per_node: 1, cores_per_llc: count as u16, threads_per_core: 1 };
        Self::synthetic(shape)
    }

    /// A machine of the given shape. CPUs are numbered core by core, siblings side by side.
    ///
    /// # Panics
    /// If the shape has more than [`CPUS_MAX`] CPUs.
    pub fn synthetic(shape: Shape) -> Self {
        let cores_per_node = shape.llcs_per_node * shape.cores_per_llc;
        let count = usize::from(shape.nodes * cores_per_node * shape.threads_per_core);
        assert!(count <= CPUS_MAX, "{count} CPUs exceed the bound of {CPUS_MAX}");
        let place = |cpu: usize| {
            let core = cpu as u16 / shape.threads_per_core;
            CpuPlace { core, llc: core / shape.cores_per_llc, node: core / cores_per_node }
        };
        Self {
            cpus: (0..count).map(|cpu| CpuId(cpu as u16)).collect(),
            places: (0..count).map(place).collect(),
        }
    }

    /// The same places, for the CPUs of `cpus` only.
    #[must_use]
    pub fn restricted_to(&self, cpus: &CpuSet) -> Self {
        Self { cpus: self.cpus.and(cpus), places: self.places.clone() }
    }

    /// The CPUs.
    pub fn cpus(&self) -> CpuSet {
        self.cpus
    }

    /// Where `cpu` sits.
    ///
    /// # Panics
    /// If the topology has no such CPU.
    pub fn place(&self, cpu: CpuId) -> CpuPlace {
        assert!(self.cpus.contains(cpu), "CPU {cpu} is not in {}", self.cpus);
        self.places[cpu.index()]
    }

    /// The CPUs of `cpu`'s core, itself included.
    pub fn siblings(&self, cpu: CpuId) -> CpuSet {
        let core = self.place(cpu).core;
        self.cpus.iter().filter(|other| self.place(*other).core == core).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synthetic_machine_has_the_shape_asked_for() {
        let shape = Shape { nodes: 2, llcs_per_node: 2, cores_per_llc: 3, threads_per_core: 2 };
        let topology = Topology::synthetic(shape);
        assert_eq!(topology.cpus().len(), 24);
        assert_eq!(topology.place(CpuId(13)), CpuPlace { core: 6, llc: 2, node: 1 });
        assert_eq!(topology.siblings(CpuId(13)).to_string(), "12-13");
    }

    #[test]
    fn restricting_keeps_places() {
        let topology = Topology::flat(4).restricted_to(&CpuSet::parse("1,3,9").unwrap());
        assert_eq!(topology.cpus().to_string(), "1,3");
        assert_eq!(topology.place(CpuId(3)).core, 3);
    }
}
