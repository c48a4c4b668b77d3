//! `longqa lock`: check the cache against the lock's digests, add entries to a lock file.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use url::Url;

use super::Context;
use super::sources::CacheArgs;
use crate::fetch::{self, ArchiveFormat, Damage, Draft, OnDamage, Settings};

/// Verify the cache, or add an entry to a lock file
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(VerifyArgs),
    Add(AddArgs),
}

/// Hash everything in the cache again
///
/// Prints one line per damaged file and ends with exit code 1 if there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  longqa lock verify\n  longqa lock verify --remove")]
struct VerifyArgs {
    /// Remove what is damaged, so that the next fetch gets it again
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Download a file, measure it, and append its entry to a lock file
///
/// Every URL is downloaded, so that none stands in the lock untried; they must hold the same bytes.
#[derive(Debug, clap::Args)]
// Here `--version` is the entry's.
#[command(disable_version_flag = true)]
#[command(after_help = "\
Examples:
  longqa lock add --name squad-1.1/dev --version 1.1 --licence 'CC BY-SA 4.0' \\
    https://rajpurkar.github.io/SQuAD-explorer/dataset/dev-v1.1.json
  longqa lock add --name mlqa --version 1.0 --licence 'CC BY-SA 3.0' --member MLQA_V1/test/ \\
    https://dl.fbaipublicfiles.com/MLQA/MLQA_V1.zip")]
struct AddArgs {
    /// Addresses of the same file, in order of preference
    #[arg(required = true)]
    urls: Vec<Url>,
    /// The entry's name
    #[arg(long)]
    name: String,
    /// The publisher's version, or the commit
    #[arg(long)]
    version: String,
    /// Under which terms the data comes
    #[arg(long)]
    licence: String,
    /// Where a mirror keeps it [default: the name's first part and the URL's file name]
    #[arg(long)]
    path: Option<String>,
    /// A member to unpack from a zip or tar.gz; a folder's path ends in `/`; may be given several times
    #[arg(long = "member", value_name = "PATH")]
    members: Vec<String>,
    /// The lock file to append to
    #[arg(long, value_name = "FILE", default_value = "datasets.lock")]
    lock: PathBuf,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Runs one of the two.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.command {
        Command::Verify(args) => verify(args, context),
        Command::Add(args) => add(args, context),
    }
}

fn verify(args: VerifyArgs, context: &Context) -> anyhow::Result<()> {
    let cache = args.cache.open()?;
    let on_damage = if args.remove { OnDamage::Remove } else { OnDamage::Report };
    let found = fetch::verify(&cache, on_damage, &context.interrupt)?;
    let mut out = io::stdout().lock();
    for damaged in &found.damaged {
        let path = damaged.path.display();
        match &damaged.found {
            Damage::Digest(digest) => writeln!(out, "{path}: expected {}, found {digest}", damaged.expected)?,
            Damage::Unreadable(error) => {
                writeln!(out, "{path}: expected {}, found {error}", damaged.expected)?
            }
        }
    }
    tracing::info!("{}: {} files, {} bytes hashed", cache.root().display(), found.files, found.bytes);
    match (found.damaged.len(), on_damage) {
        (0, _) => Ok(()),
        (count, OnDamage::Remove) => bail!("{count} damaged, now removed; fetch them again"),
        (count, OnDamage::Report) => {
            bail!("{count} damaged; with --remove they go, and the next fetch gets them again")
        }
    }
}

fn add(args: AddArgs, context: &Context) -> anyhow::Result<()> {
    let last =
        args.urls[0].path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned();
    let group = args.name.split('/').next().unwrap_or_default();
    let path = args.path.unwrap_or_else(|| format!("{group}/{last}"));
    let members = if args.members.is_empty() {
        None
    } else {
        let format = ArchiveFormat::of_file_name(&path);
        let format =
            format.with_context(|| format!("--member: expected a .zip, .tar.gz or .tgz, found {path}"))?;
        Some((format, args.members))
    };
    let draft = Draft {
        name: args.name,
        version: args.version,
        licence: args.licence,
        path,
        urls: args.urls,
        members,
    };
    let drafted = fetch::draft(&draft, &args.cache.open()?, &Settings::default(), &context.interrupt)?;
    drafted.append_to(&args.lock)?;
    write!(io::stdout(), "{}", drafted.text().trim_start())?;
    Ok(())
}
