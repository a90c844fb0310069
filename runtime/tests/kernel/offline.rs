//! CPUs that are switched off.

/// A CPU that is switched off for as long as this lives.
#[derive(Debug)]
pub(crate) struct Offline(usize);

impl Offline {
    /// Switches it off.
    pub(crate) fn switch(cpu: usize) -> Self {
        set_online(cpu, "0").expect("the kernel can switch it off");
        Self(cpu)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        set_online(self.0, "1").expect("it was on before");
    }
}

fn set_online(cpu: usize, state: &str) -> std::io::Result<()> {
    std::fs::write(format!("/sys/devices/system/cpu/cpu{cpu}/online"), state)
}
