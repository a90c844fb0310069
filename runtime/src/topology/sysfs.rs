//! The topology of this machine, as the kernel publishes it under /sys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{CpuPlace, Topology};
use crate::cpu::{CpuId, CpuListError, CpuSet};

/// Why the kernel's description could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// A file could not be read.
    #[error("topology: cannot read {path}: {source}; is /sys mounted?")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The list of online CPUs makes no sense.
    #[error("topology: {path}: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CpuListError,
    },
}

impl Topology {
    /// This machine's online CPUs.
    ///
    /// # Errors
    /// If the list of online CPUs cannot be read. Missing details (containers often hide them) are
    /// filled in as: each CPU its own core, one cache, one node.
    pub fn of_this_machine() -> Result<Self, TopologyError> {
        Self::read(Path::new("/sys/devices/system"))
    }

    fn read(root: &Path) -> Result<Self, TopologyError> {
        let path = root.join("cpu/online");
        let online = std::fs::read_to_string(&path)
            .map_err(|source| TopologyError::Unreadable { path: path.clone(), source })?;
        let cpus =
            CpuSet::parse(&online).map_err(|source| TopologyError::Malformed { path, source })?;
        let table = cpus.iter().last().map_or(0, |cpu| cpu.index() + 1);
        let mut places = vec![CpuPlace::default(); table];
        let (mut cores, mut llcs) = (Numbering::default(), Numbering::default());
        for cpu in cpus.iter() {
            let folder = root.join(format!("cpu/cpu{cpu}"));
            places[cpu.index()] = CpuPlace {
                core: cores.number(group(&folder.join("topology/thread_siblings_list"), cpu)),
                llc: llcs.number(last_level_cache(&folder).unwrap_or(CpuId(0))),
                node: node(&folder),
            };
        }
        Ok(Self { cpus, places })
    }
}

/// Numbers groups in the order they are met; a group is named by its lowest CPU.
#[derive(Default)]
struct Numbering(BTreeMap<CpuId, u16>);

impl Numbering {
    fn number(&mut self, group: CpuId) -> u16 {
        let next = self.0.len() as u16;
        *self.0.entry(group).or_insert(next)
    }
}

/// The lowest CPU of the list in `path`, or `alone` if there is no such list.
fn group(path: &Path, alone: CpuId) -> CpuId {
    read_group(path).unwrap_or(alone)
}

fn read_group(path: &Path) -> Option<CpuId> {
    CpuSet::parse(&std::fs::read_to_string(path).ok()?).ok()?.first()
}

fn last_level_cache(folder: &Path) -> Option<CpuId> {
    let caches = std::fs::read_dir(folder.join("cache")).ok()?;
    let level = |cache: &Path| -> Option<u32> {
        std::fs::read_to_string(cache.join("level")).ok()?.trim().parse().ok()
    };
    caches
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|cache| Some((level(&cache)?, cache)))
        .max()
        .and_then(|(_, cache)| read_group(&cache.join("shared_cpu_list")))
}

/// The kernel links a CPU's folder to its node's: `node3`.
fn node(folder: &Path) -> u16 {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("node")?.parse().ok())
        .next()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn siblings_caches_and_nodes_are_read() {
        let root = std::env::temp_dir().join(format!("revenant-sysfs-{}", std::process::id()));
        write(&root, "cpu/online", "0-2\n");
        for (cpu, siblings, cache, node) in
            [(0, "0,2", "0-2", 0), (1, "1", "0-2", 1), (2, "0,2", "0-2", 0)]
        {
            write(&root, &format!("cpu/cpu{cpu}/topology/thread_siblings_list"), siblings);
            write(&root, &format!("cpu/cpu{cpu}/cache/index0/level"), "1");
            write(&root, &format!("cpu/cpu{cpu}/cache/index0/shared_cpu_list"), siblings);
            write(&root, &format!("cpu/cpu{cpu}/cache/index1/level"), "3");
            write(&root, &format!("cpu/cpu{cpu}/cache/index1/shared_cpu_list"), cache);
            write(&root, &format!("cpu/cpu{cpu}/node{node}/x"), "");
        }
        let topology = Topology::read(&root).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(topology.siblings(CpuId(2)).to_string(), "0,2");
        assert_eq!(topology.place(CpuId(1)), CpuPlace { core: 1, llc: 0, node: 1 });
    }

    #[test]
    fn a_machine_without_sysfs_is_an_error_that_says_so() {
        let error = Topology::read(Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/cpu/online"), "{error}");
    }
}
