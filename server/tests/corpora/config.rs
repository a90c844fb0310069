//! What must hold for any configuration file. The fuzzer and the tests run the same.

use revenant_server::config::{Config, Options};

/// It is a configuration or has faults that are told; what is shown of it reads back as the same.
pub(crate) fn read(bytes: &[u8]) {
    let Ok(options) = std::str::from_utf8(bytes).map_err(|_| ()).and_then(|text| {
        Options::parse(text).map_err(|fault| assert!(!fault.is_empty(), "a fault without words"))
    }) else {
        return;
    };
    if let Err(faults) = Config::new(options.clone()) {
        assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.is_empty()));
    }
    let shown = options.complete().to_toml();
    let again = Options::parse(&shown).expect("what is shown is a configuration");
    assert_eq!(again.complete().to_toml(), shown);
}
