//! Reading a command line, so that what is wrong with it is one line.

use clap::Parser;
use clap::error::ErrorKind;

/// Exit code of bad input: nothing was run.
pub const BAD_INPUT: u8 = 2;

/// Reads a command line.
///
/// # Errors
/// On help and on bad input: the text to print and the exit code.
pub fn read<C: Parser>(arguments: impl IntoIterator<Item = String>) -> Result<C, (String, u8)> {
    C::try_parse_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        if !error.use_stderr() || error.exit_code() == 0 {
            return (text, 0);
        }
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return (text, BAD_INPUT);
        }
        // clap explains itself over several paragraphs; the first says what is wrong.
        let first: Vec<&str> =
            text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        (format!("{}; --help shows what there is\n", first.join(" ")), BAD_INPUT)
    })
}
