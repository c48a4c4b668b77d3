//! `longqa fetch`: names in the lock to files on disk.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::Context;
use crate::fetch::{Cache, Entry, Fetcher, Lock, Mirror, Network, Settings, Unverified};

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
    /// A folder or URL tree to ask before the lock's own addresses; may be given several times
    #[arg(long = "mirror", value_name = "DIR_OR_URL", env = "LONGQA_MIRROR")]
    mirrors: Vec<String>,
    /// Use the cache and mirror folders only
    #[arg(long)]
    offline: bool,
    /// Fetch files whose digest no public source states, and print the digest they have
    #[arg(long)]
    allow_unverified: bool,
    /// Transfers at a time
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroUsize,
    /// The lock file, in the place of the built-in one
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// The cache folder [default: $XDG_CACHE_HOME/longqa or ~/.cache/longqa]
    #[arg(long, value_name = "DIR", env = "LONGQA_CACHE")]
    cache: Option<PathBuf>,
}

/// Fetches and prints where things are.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let lock = match &args.lock {
        Some(path) => Lock::read(path)?,
        None => Lock::built_in(),
    };
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
    let fetcher = Fetcher::new(
        cache(args.cache)?,
        Settings {
            mirrors: args.mirrors.iter().map(|mirror| mirror.parse::<Mirror>()).collect::<Result<_, _>>()?,
            network: if args.offline { Network::Offline } else { Network::Online },
            unverified: if args.allow_unverified { Unverified::Allow } else { Unverified::Refuse },
            jobs: args.jobs,
            ..Settings::default()
        },
    );
    for fetched in fetcher.fetch(&entries, &context.interrupt)? {
        for (name, digest) in &fetched.unverified {
            // Said whatever the log level: the user has asked to see it.
            eprintln!("unverified: {name} has sha256 {digest}");
        }
        writeln!(out, "{}\t{}\t{}", fetched.name, fetched.digest, fetched.path.display())?;
    }
    Ok(())
}

fn choose<'l>(args: &Args, lock: &'l Lock) -> anyhow::Result<Vec<&'l Entry>> {
    if !args.names.is_empty() {
        return Ok(lock.select(&args.names)?);
    }
    let (chosen, left_out): (Vec<_>, Vec<_>) =
        lock.entries().iter().partition(|entry| args.allow_unverified || args.list || entry.is_verified());
    for entry in left_out {
        tracing::warn!("{} is left out: not every digest of it is known (--allow-unverified)", entry.name);
    }
    Ok(chosen)
}

/// The cache in `folder`, or the user's.
pub(super) fn cache(folder: Option<PathBuf>) -> anyhow::Result<Cache> {
    Ok(match folder {
        Some(folder) => Cache::at(folder),
        None => Cache::default_for_user()?,
    })
}
