//! Machines of other sizes: every CPU but the agent's is used, and known for what it is.

use revenant::backend::Backend as _;
use revenant::cpu::{CpuId, CpuSet};
use revenant::topology::Topology;
use revenant_bpf::kernel;

use crate::guest::undisturbed;
use crate::stage::{Spin, Stage, patient};

#[test]
fn every_cpu_of_the_machine_runs_its_task() {
    undisturbed(|| {
        let cpus = kernel::possible_cpus() as u16;
        if cpus < 2 {
            return;
        }
        let mut stage = Stage::new(cpus - 1);
        let spins: Vec<Spin> = (1..cpus).map(|cpu| stage.spinner_on(cpu).1).collect();
        spins.iter().for_each(Spin::wait_for_progress);
    });
}

#[test]
fn an_enclave_has_the_machines_topology_for_its_cpus() {
    undisturbed(|| {
        let machine = Topology::of_this_machine().expect("/sys is mounted");
        let last = kernel::possible_cpus() as u16 - 1;
        let stage = Stage::of(&patient([last]));
        let own: CpuSet = [CpuId(last)].into_iter().collect();
        assert_eq!(stage.kernel.topology(), &machine.restricted_to(&own));
    });
}
