//! `longqa pretrain`: continued masked-language-model pretraining on a text.

use std::io::{self, Write};
use std::path::PathBuf;

use super::settings_flags::SettingsFlags;
use super::{Context, training};
use crate::fetch::Cache;
use crate::text::Tokenizer;
use crate::text::blocks;
use crate::train::pretrain::{self, PretrainInputs};
use crate::train::settings::PretrainSettings;

/// Continue masked-language-model pretraining on a text
///
/// The text is tokenized once as a whole and cut into blocks of model_max_length tokens.
/// bits_per_character is loss / ln 2 per token, as the Longformer paper names it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa pretrain --model roberta-long --train_file_path wiki.train.raw \\
      --val_file_path wiki.valid.raw --output_dir roberta-long-wiki
  longqa pretrain --model small --train_file_path wiki.train.raw --val_file_path wiki.valid.raw \\
      --output_dir out --model_max_length 512 --max_steps 100 --gradient_accumulation_steps 4")]
pub struct Args {
    /// Model folder: config.json, weights, tokenizer files
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Text to train on
    #[arg(long = "train_file_path", alias = "train-file-path", value_name = "FILE")]
    train_file_path: PathBuf,
    /// Text to evaluate on
    #[arg(long = "val_file_path", alias = "val-file-path", value_name = "FILE")]
    val_file_path: PathBuf,
    /// Where the model, its checkpoints and its metrics go; run again to go on
    #[arg(long = "output_dir", alias = "output-dir", value_name = "DIR")]
    output_dir: PathBuf,
    #[command(flatten)]
    settings: SettingsFlags<PretrainSettings>,
}

/// Trains, and prints the output folder.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let settings = args.settings.settings()?;
    training::refuse_to_replace(&args.model, &args.output_dir)?;
    let _claim = training::claim(&args.output_dir, &context.interrupt)?;
    settings.validate()?;
    let tokenizer = Tokenizer::from_folder(&args.model)?;
    let cache = Cache::default_for_user()?.blocks();
    let blocks_of =
        |text| blocks::cached(&cache, text, &tokenizer, settings.model_max_length, &context.interrupt);
    let train = blocks_of(&args.train_file_path)?;
    let evaluation = blocks_of(&args.val_file_path)?;
    let inputs = PretrainInputs { model: &args.model, train: &train, evaluation: &evaluation };
    let output = &args.output_dir;
    training::in_session(context, |session| {
        pretrain::run(&inputs, &settings, output, output, context.device, session)
    })?;
    Ok(writeln!(io::stdout(), "{}", output.display())?)
}
