//! The table of commands.

use std::sync::LazyLock;

use super::{Command, client, cluster, connection, key, scan, server, spin, string};

/// The families.
static FAMILIES: [&[Command]; 8] = [
    connection::COMMANDS,
    client::COMMANDS,
    server::COMMANDS,
    cluster::COMMANDS,
    string::COMMANDS,
    key::COMMANDS,
    scan::COMMANDS,
    spin::COMMANDS,
];

/// All commands, by name.
static COMMANDS: LazyLock<Vec<&'static Command>> = LazyLock::new(|| {
    let mut commands: Vec<_> = FAMILIES.iter().copied().flatten().collect();
    commands.sort_by_key(|command| command.name);
    commands
});

/// No command has a longer name.
const NAME_MAX: usize = 24;

/// All commands.
pub(super) fn all() -> &'static [&'static Command] {
    &COMMANDS
}

/// The command of this name, in whatever case.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0; NAME_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let found = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(lower)).ok()?;
    Some(COMMANDS[found])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name_in_any_case() {
        for command in all() {
            let name = command.name.to_ascii_uppercase();
            assert_eq!(find(name.as_bytes()).map(Command::name), Some(command.name));
        }
        assert!(find(b"nosuch").is_none());
        assert!(find(&[b'x'; 100]).is_none());
    }

    #[test]
    fn no_two_commands_share_a_name() {
        assert!(all().windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
