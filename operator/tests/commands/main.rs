//! The command as its users meet it: what it says, what it does, how it ends.

mod everywhere;
#[cfg(feature = "kernel")]
mod faults;
#[cfg(feature = "kernel")]
mod guest;
#[cfg(feature = "kernel")]
mod machine;
mod program;
#[cfg(feature = "kernel")]
mod terminal;
