//! `longqa convert`: a short model becomes a long one.

use std::io::{self, Write};
use std::path::PathBuf;

use super::Context;
use super::sources::{FetchArgs, LockArgs, model_folder};
use crate::model::convert::{LongSettings, to_longformer};

/// Make a Longformer of a BERT, RoBERTa or XLM-R masked language model
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa convert --from roberta-base --to long/roberta-base-4096   # a name in the lock: fetched
  longqa convert --from models/small --max-position 512 --attention-window 64 --to models/small-long

The result opens in transformers' LongformerForMaskedLM. An encoder without a head gets a fresh one.
Position rows are repeated, so the model should be pretrained on before it is used (longqa pretrain).")]
pub struct Args {
    /// Model folder (config.json, weights, tokenizer), or the name of a checkpoint in the lock file
    #[arg(long, value_name = "DIR_OR_NAME")]
    from: PathBuf,
    /// Longest input of the new model, in tokens
    #[arg(long, default_value_t = LongSettings::default().max_position)]
    max_position: i64,
    /// Positions that a token sees, both sides together (even)
    #[arg(long, default_value_t = LongSettings::default().attention_window)]
    attention_window: i64,
    /// Folder to write; new or empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    lock: LockArgs,
    #[command(flatten)]
    fetch: FetchArgs,
}

/// Converts and prints the new folder.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let from = model_folder(&args.from, &args.lock, &args.fetch, &context.interrupt)?;
    let settings = LongSettings { max_position: args.max_position, attention_window: args.attention_window };
    to_longformer(&from, &settings, &args.to)?;
    Ok(writeln!(io::stdout(), "{}", args.to.display())?)
}
