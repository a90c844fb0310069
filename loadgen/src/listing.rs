//! The command `list`.

use std::fmt::Write as _;

use revenant_loadgen::{Traffic, presets};

/// Every preset: its name, what it is, and the traffic it stands for.
pub(crate) fn list() -> String {
    let mut text = String::from("Presets (--preset):\n");
    for (name, about) in presets() {
        let traffic = Traffic::preset(name).expect("a listed preset is traffic: a test reads each");
        let _ = write!(text, "\n  {name}\n      {about}\n      --mix '{traffic}'\n");
    }
    text
}
