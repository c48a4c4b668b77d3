//! `longqa completions`: the arguments, told to a shell.

use std::io;

use clap::CommandFactory;
use clap_complete::{Generator, Shell};

use super::Cli;

/// Print a script with which a shell completes longqa's arguments
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa completions bash > ~/.local/share/bash-completion/completions/longqa
  longqa completions fish > ~/.config/fish/completions/longqa.fish
  longqa completions zsh > ~/.zfunc/_longqa   # a folder of $fpath")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut program = Cli::command().bin_name("longqa");
    program.build();
    Ok(args.shell.try_generate(&program, &mut io::stdout().lock())?)
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    /// zsh's script has the name before a colon, and runs what is behind it.
    #[test]
    fn no_name_of_a_value_has_a_colon() {
        fn names(command: &Command) -> Vec<String> {
            let own =
                command.get_arguments().flat_map(|argument| argument.get_value_names().unwrap_or_default());
            let own = own.map(ToString::to_string);
            own.chain(command.get_subcommands().flat_map(names)).collect()
        }
        let mut program = Cli::command();
        program.build();
        let names = names(&program);
        assert!(names.contains(&"DEVICE".to_owned()));
        assert!(!names.iter().any(|name| name.contains(':')), "{names:?}");
    }
}
