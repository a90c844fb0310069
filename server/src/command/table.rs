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

/// Letters there are, and the 0 of what is none; see `initial`.
const INITIALS: usize = 32;

/// The same by their first letter. Every request looks for its command: a search by halves of the
/// sorted table cost 2 % of a server that does nothing but GETs.
static BY_INITIAL: LazyLock<[Vec<&'static Command>; INITIALS]> = LazyLock::new(|| {
    let mut initials = [const { Vec::new() }; INITIALS];
    for command in all() {
        initials[initial(command.name.as_bytes())].push(*command);
    }
    initials
});

/// The first letter, upper and lower case alike: ASCII tells them apart above the lowest five bits.
fn initial(name: &[u8]) -> usize {
    name.first().map_or(0, |letter| usize::from(*letter) % INITIALS)
}

/// All commands.
pub(super) fn all() -> &'static [&'static Command] {
    &COMMANDS
}

/// The command of this name, in whatever case.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    let alike = BY_INITIAL[initial(name)].iter();
    alike.copied().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
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
        assert!(find(b"").is_none());
    }

    #[test]
    fn no_two_commands_share_a_name() {
        assert!(all().windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
