//! `longqa fetch`: names in the lock to files on disk.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use super::Context;
use super::sources::{FetchArgs, LockArgs, tell_unverified};
use crate::fetch::{Entry, Lock, Settings};

/// Download data sets and checkpoints, verified against the lock
///
/// Prints one line per entry: name, digest, path, separated by tabs. What is in the cache is not
/// transferred again; a stopped download goes on where it stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longqa fetch squad-1.1 xquad
  longqa fetch roberta-base/tokenizer wikitext-103-raw/test --mirror /data --offline
  longqa fetch longformer-base-4096 --allow-unverified
  longqa fetch --list")]
pub struct Args {
    /// What to fetch: an entry, a part of one, or a group (`xquad`); nothing: everything in the lock
    names: Vec<String>,
    /// Print what the lock holds (name, bytes, licence, version), and fetch nothing
    #[arg(long)]
    list: bool,
    /// Transfers at a time
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroUsize,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    fetch: FetchArgs,
}

/// Fetches and prints where things are.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let lock = args.lock.read()?;
    let entries = choose(&args, &lock)?;
    let mut out = io::stdout().lock();
    if args.list {
        for entry in entries {
            let bytes = entry.bytes().map_or("?".to_owned(), |bytes| bytes.to_string());
            writeln!(out, "{}\t{bytes}\t{}\t{}", entry.name, entry.licence, entry.version)?;
        }
        return Ok(());
    }
    if args.names.is_empty() {
        let bytes: u64 = entries.iter().filter_map(|entry| entry.bytes()).sum();
        tracing::info!("everything in the lock: {} entries, {}", entries.len(), indicatif::HumanBytes(bytes));
    }
    let fetcher = args.fetch.fetcher(Settings { jobs: args.jobs, ..Settings::default() })?;
    for fetched in fetcher.fetch(&entries, &context.interrupt)? {
        tell_unverified(&fetched);
        writeln!(out, "{}\t{}\t{}", fetched.name, fetched.digest, fetched.path.display())?;
    }
    Ok(())
}

fn choose<'l>(args: &Args, lock: &'l Lock) -> anyhow::Result<Vec<&'l Entry>> {
    if !args.names.is_empty() {
        return Ok(lock.select(&args.names)?);
    }
    let (chosen, left_out): (Vec<_>, Vec<_>) = lock
        .entries()
        .iter()
        .partition(|entry| args.fetch.allow_unverified || args.list || entry.is_verified());
    for entry in left_out {
        tracing::warn!("{} is left out: not every digest of it is known (--allow-unverified)", entry.name);
    }
    Ok(chosen)
}
