//! The topology of the machine that runs the tests. In the guests of `vm/test` it is known; on any
//! other it must make sense.

use std::env;

use revenant::topology::{Shape, Topology};

/// What vm/run makes of the options in `REVENANT_VM`.
fn of_guest(options: &str) -> Topology {
    match options.split_once(' ') {
        Some(("--cpus", count)) => Topology::flat(count.parse().unwrap()),
        Some(("--topology", "two-socket")) => Topology::synthetic(Shape {
            nodes: 2,
            llcs_per_node: 1,
            cores_per_llc: 2,
            threads_per_core: 2,
        }),
        _ => panic!("which CPUs has a guest of vm/run {options}?"),
    }
}

#[test]
fn this_machine_has_the_topology_it_should() {
    let topology = Topology::of_this_machine().unwrap();
    if let Ok(options) = env::var("REVENANT_VM") {
        assert_eq!(topology, of_guest(&options));
    }
    assert!(topology.cpus().iter().next().is_some());
    for cpu in topology.cpus().iter() {
        let siblings = topology.siblings(cpu);
        assert!(siblings.contains(cpu));
        for sibling in siblings.iter() {
            assert_eq!(topology.place(sibling), topology.place(cpu), "{sibling} and {cpu}");
        }
    }
}
