use super::*;

fn faults(text: &str) -> Vec<String> {
    Config::new(Options::parse(text).unwrap()).unwrap_err()
}

#[test]
fn the_defaults_are_a_whole_configuration() {
    let config = Config::new(Options::default()).unwrap();
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:6379");
    assert_eq!(config.classes[0].in_flight, 4096);
    assert!(config.is_inline && config.allowance.idle_ns.is_some());
}

#[test]
fn what_check_prints_is_read_back_as_the_same() {
    let text = "listen = ['unix:/a']\n[class.scan]\nin-flight = 7\n";
    let complete = Options::parse(text).unwrap().complete();
    let printed = complete.to_toml();
    assert_eq!(Options::parse(&printed).unwrap().to_toml(), printed);
    assert!(printed.contains("in-flight = 7") && printed.contains("unix:/a"), "{printed}");
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let file = Options::parse("clients-max = 5\nspin = '1ms'\n[class.get]\nin-flight = 3").unwrap();
    let flags = Options {
        clients_max: Some(6),
        class_flags: vec!["get:deadline=5ms".parse().unwrap()],
        ..Options::default()
    };
    let config = Config::new(flags.or(file)).unwrap();
    assert_eq!((config.clients_max, config.spin.as_nanos()), (6, 1_000_000));
    assert_eq!(config.classes[0].in_flight, 3);
    assert_eq!(config.classes[0].deadline.unwrap().as_nanos(), 5_000_000);
    assert_eq!(config.classes[0].slo.unwrap().as_nanos(), 200_000);
}

#[test]
fn every_fault_is_told() {
    let text = "listen = ['0.0.0.0:1', 'udp://0.0.0.0:2']\nclients-max = 0\nframe-max = '1KiB'\n\
                stall-timeout = '0s'\n[class.get]\nslo = '0s'\n[class.bulk]\nin-flight = 1\n";
    let faults = faults(text);
    for word in
        ["password", "datagrams", "clients-max", "frame-max", "stall-timeout", "get.slo", "bulk"]
    {
        assert!(faults.iter().any(|fault| fault.contains(word)), "{word} not in {faults:#?}");
    }
    assert_eq!(faults.len(), 7, "{faults:#?}");
}

#[test]
fn an_address_for_everybody_needs_a_password() {
    assert_eq!(faults("listen = ['[::]:6379']").len(), 1);
    let options = Options::parse("listen = ['[::]:6379']\npassword = 'x'").unwrap();
    assert!(Config::new(options).is_ok());
}

#[test]
fn what_cannot_be_understood_is_shown_with_its_place() {
    for (text, word) in [
        ("lisen = []", "lisen"),
        ("listen = ['here']", "HOST:PORT"),
        ("spin = 'soon'", "soon"),
        ("frame-max = '1MB'", "64KiB"),
        ("policy = 'cfs'", "two-queue"),
        ("backend = 'gpu'", "threads"),
        ("worker-cpus = 'x'", "x"),
        ("cluster = ['a:1']", "FIRST-LAST"),
        ("[class.get]\nslow = '1s'", "slow"),
    ] {
        let error = Options::parse(text).unwrap_err();
        assert!(error.contains(word) && error.contains("line"), "{error}");
    }
}

#[test]
fn a_class_flag_says_what_it_lacks() {
    for (text, word) in [
        ("get", "CLASS:"),
        ("bulk:slo=1s", "bulk"),
        ("get:slo", "FIELD=VALUE"),
        ("get:slow=1s", "slow"),
        ("get:in-flight=many", "many"),
    ] {
        let error = text.parse::<ClassFlag>().unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}
