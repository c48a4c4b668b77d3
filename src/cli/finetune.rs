//! `longqa finetune`: from a model folder and a SQuAD file to a question-answering model.

use std::io::{self, Write};
use std::path::PathBuf;

use super::settings_flags::SettingsFlags;
use super::{Context, training};
use crate::corpus::squad;
use crate::train::finetune::{self, FinetuneInputs};
use crate::train::settings::FinetuneSettings;

/// Fine-tune a model on question answering (SQuAD 1.1 and files of that layout)
///
/// doc_stride is the distance between the starts of two windows, as in BERT's run_squad.py;
/// transformers' run_qa.py gives the overlap instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa finetune --model roberta-base --train_file train-v1.1.json --output_dir out
  longqa finetune --model roberta-long --train_file train-v1.1.json --output_dir out \\
      --max_length 4096 --doc_stride 2048 --per_device_train_batch_size 1 --gradient_accumulation_steps 32")]
pub struct Args {
    /// Model folder: config.json, weights, tokenizer files
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Questions with answers, in SQuAD's layout
    #[arg(long = "train_file", alias = "train-file", value_name = "FILE")]
    train_file: PathBuf,
    /// Where the model, its checkpoints and its metrics go; run again to go on
    #[arg(long = "output_dir", alias = "output-dir", value_name = "DIR")]
    output_dir: PathBuf,
    #[command(flatten)]
    settings: SettingsFlags<FinetuneSettings>,
}

/// Trains, and prints the output folder.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let settings = args.settings.settings()?;
    training::refuse_to_replace(&args.model, &args.output_dir)?;
    let train = squad::read(&args.train_file)?;
    let inputs = FinetuneInputs { model: &args.model, train: &train, train_file: &args.train_file };
    let output = &args.output_dir;
    training::in_session(context, |session| {
        finetune::run(&inputs, &settings, output, output, context.device, session)
    })?;
    Ok(writeln!(io::stdout(), "{}", output.display())?)
}
