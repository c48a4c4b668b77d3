//! `longqa env`: what this program is and what this machine gives it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

use super::Context;
use super::sources::CacheArgs;
use crate::experiment::provenance::Provenance;
use crate::process;

/// Print versions, devices, threads and libtorch's location
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa env
  longqa env | grep libtorch")]
pub struct Args {
    #[command(flatten)]
    cache: CacheArgs,
}

/// Prints one `name: value` line each.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let device = super::device_name(context.device);
    let Provenance { longqa, revision, libtorch, device, threads, platform, processor, .. } =
        Provenance::gather(device);
    let unknown = || "unknown".to_owned();
    let shown = |path: Option<PathBuf>| path.map_or_else(unknown, |path| path.display().to_string());
    let cores = thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string());
    let cache = args.cache.open().map(|cache| cache.root().to_owned());
    let mut out = io::stdout().lock();
    for (name, value) in [
        ("longqa", longqa),
        ("revision", revision.unwrap_or_else(unknown)),
        ("libtorch", libtorch),
        ("libtorch loaded from", shown(process::loaded_library("libtorch_cpu.so"))),
        ("devices", device),
        ("cuda", "not used by this version, whether or not there is a GPU".to_owned()),
        ("libtorch threads", threads.to_string()),
        ("cores", cores),
        ("processor", processor.unwrap_or_else(unknown)),
        ("platform", platform),
        ("cache", shown(cache.ok())),
    ] {
        writeln!(out, "{name}: {value}")?;
    }
    Ok(())
}
