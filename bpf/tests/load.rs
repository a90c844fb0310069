//! Loading, in a guest.
#![cfg(feature = "kernel")]

#[test]
fn it_loads() {
    if let Err(error) = revenant_bpf::load() {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            println!("{error}");
            cause = error.source();
        }
        panic!();
    }
    println!("{:?} {:?}", revenant_bpf::kernel::state(), revenant_bpf::kernel::active());
    std::thread::sleep(std::time::Duration::from_millis(300));
    let s = revenant_bpf::Scheduler::open().unwrap();
    println!("{:?} {:?}", s.machine(), s.exit());
    drop(s);
    revenant_bpf::unload().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    println!("{:?} {:?}", revenant_bpf::kernel::state(), revenant_bpf::kernel::active());
}
