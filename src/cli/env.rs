//! `longqa env`: what this machine has.

use std::io::{self, Write};

use super::Context;

/// Print versions, devices, threads and libtorch's location
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  longqa env")]
pub struct Args {}

/// Prints one `name: value` line each.
pub fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "longqa: {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "threads: {}", tch::get_num_threads())?;
    Ok(())
}
