//! The table of commands.

use std::sync::LazyLock;

use super::{Command, connection, key, string};

/// The families.
static FAMILIES: [&[Command]; 3] = [connection::COMMANDS, string::COMMANDS, key::COMMANDS];

/// All commands, by name.
static COMMANDS: LazyLock<Vec<&'static Command>> = LazyLock::new(|| {
    let mut commands: Vec<_> = FAMILIES.iter().copied().flatten().collect();
    commands.sort_by_key(|command| command.name);
    commands
});

/// No command has a longer name.
const NAME_MAX: usize = 24;

/// The command of this name, in whatever case.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0; NAME_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let found = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(lower)).ok()?;
    Some(COMMANDS[found])
}
