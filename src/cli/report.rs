//! `longqa report`: the tables, figures and page of runs that are there already, of one machine or of
//! several.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::bail;

use super::Context;
use crate::report::runs::{KeptRuns, merge};
use crate::report::{Report, ResultsFolder};

/// Make tables, figures and report.html of the runs in one or several results folders
///
/// Runs of several machines are merged: seeds of the same cell become one mean. Runs of one cell
/// that differ in more than the seed are refused, and so is one run with two results.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longqa report results/thesis
  longqa report machine-a/results/thesis machine-b/results/thesis --output results/thesis")]
pub struct Args {
    /// Results folders, as `longqa reproduce` leaves them
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Where tables, figures and report.html go [default: DIR, if there is one only]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Reads, merges, writes.
pub fn run(args: Args, _: &Context) -> anyhow::Result<()> {
    let output = match (args.output, args.folders.as_slice()) {
        (Some(output), _) => output,
        (None, [only]) => only.clone(),
        (None, _) => bail!("runs of several folders need a folder for what is made of them: --output DIR"),
    };
    let mut records = Vec::with_capacity(args.folders.len());
    for folder in args.folders {
        let record = KeptRuns::of(&folder).read()?;
        records.push((folder, record));
    }
    let record = merge(records)?;
    let folder = ResultsFolder::open(&output, "output")?;
    let report = Report::of(&record)?;
    let page = report.write(&folder)?;
    writeln!(io::stdout().lock(), "{}\n{}", report.text(), page.display())?;
    Ok(())
}
