//! `longqa man`: manual pages, made of the definitions that `--help` is made of.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::Cli;
use crate::durable;

/// Write manual pages, or print the first of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa man --to ~/.local/share/man/man1
  longqa man | man --local-file -")]
pub struct Args {
    /// Folder for longqa.1 and a page of each subcommand [default: longqa.1 alone, on stdout]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints a page, or writes all of them and prints their folder.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut program = without_help(Cli::command());
    program.build();
    let mut out = io::stdout().lock();
    match args.to {
        None => out.write_all(&page(&program)?)?,
        Some(folder) => {
            write_pages(&program, &folder)?;
            writeln!(out, "{}", folder.display())?;
        }
    }
    Ok(())
}

/// `help` is a subcommand of each command that has any; `man` shows what it would.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// The pages of `command` and of all commands below it.
fn write_pages(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let name = Man::new(command.clone()).get_filename();
    durable::write(&folder.join(name), &page(command)?)?;
    command.get_subcommands().try_for_each(|below| write_pages(below, folder))
}

/// The page of `command`, the same bytes in every run.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut command = command.clone();
    // Instead of a list of all options without their values.
    let usage = command.render_usage().to_string();
    command = command.override_usage(usage.replacen("Usage: ", "", 1));
    let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_uppercase();
    let man = Man::new(command.clone())
        .title(title)
        // An empty argument has to be quoted, or the next one takes its place.
        .date("\"\"")
        .source(concat!("longqa ", env!("CARGO_PKG_VERSION")))
        .manual("longqa manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        examples_and_notes(&text.to_string()).to_writer(&mut page)?;
    }
    Ok(page)
}

/// What stands below the options in `--help`: the lines of examples stay lines, the rest is set anew.
fn examples_and_notes(text: &str) -> Roff {
    let (examples, notes) = match text.strip_prefix("Examples:\n") {
        Some(rest) => rest.split_once("\n\n").unwrap_or((rest, "")),
        None => ("", text),
    };
    let mut sections = Roff::new();
    if !examples.is_empty() {
        sections.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.lines() {
            sections.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        sections.control("fi", []);
    }
    if !notes.is_empty() {
        sections.control("SH", ["NOTES"]).text([roman(notes)]);
    }
    sections
}
