//! `longqa finetune`: from a model folder and a file of questions to a question-answering model.

use std::io::{self, Write};
use std::path::PathBuf;

use indicatif::ProgressBar;

use super::reading_flags::ReadingFlags;
use super::settings_flags::{SettingsFlags, other_defaults};
use super::{Context, training};
use crate::corpus::Task;
use crate::fetch::Cache;
use crate::text::examples::Progress;
use crate::train::finetune::{self, FinetuneInputs, TriviaInputs};
use crate::train::settings::FinetuneSettings;

/// Fine-tune a model on question answering
///
/// doc_stride is the distance between the starts of two windows, as in BERT's run_squad.py;
/// transformers' run_qa.py gives the overlap instead.
///
/// triviaqa reads qa/*.json with the documents of evidence/ beside that folder, and learns from every place
/// of the answer in them.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct Args {
    /// Model folder: config.json, weights, tokenizer files
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    reading: ReadingFlags,
    /// Questions with answers
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
    let reading = args.reading.reading();
    let settings = args.settings.settings_over(&FinetuneSettings::for_task(reading.task))?;
    training::refuse_to_replace(&args.model, &args.output_dir)?;
    let _claim = training::claim(&args.output_dir, &context.interrupt)?;
    let (model, train_file, output) = (&args.model, &args.train_file, &args.output_dir);
    match reading.task {
        Task::TriviaQa => {
            reading.validate()?;
            let examples = Cache::default_for_user()?.documents();
            let inputs = TriviaInputs { model, train_file, examples: &examples };
            let bar = ProgressBar::new(0);
            let mut show = |progress: Progress| {
                bar.set_length(progress.documents as u64);
                bar.set_position(progress.done as u64);
                if progress.done == progress.documents {
                    bar.finish_and_clear();
                }
            };
            training::in_session(context, |session| {
                finetune::run_triviaqa(&inputs, &settings, output, output, context.device, session, &mut show)
            })?;
        }
        _ => {
            let train = reading.read(train_file)?;
            let inputs = FinetuneInputs { model, train: &train, train_file, questions: &reading };
            training::in_session(context, |session| {
                finetune::run(&inputs, &settings, output, output, context.device, session)
            })?;
        }
    }
    Ok(writeln!(io::stdout(), "{}", output.display())?)
}

fn after_help() -> String {
    format!(
        "Examples:
  longqa finetune --model roberta-base --train_file train-v1.1.json --output_dir out
  longqa finetune --model roberta-long --train_file train-v1.1.json --output_dir out \\
      --max_length 4096 --doc_stride 2048 --per_device_train_batch_size 1 --gradient_accumulation_steps 32
  longqa finetune --model roberta-long --task triviaqa \\
      --train_file triviaqa-rc/qa/wikipedia-train.json --output_dir out

With --task triviaqa, unless said otherwise: {}",
        other_defaults(&FinetuneSettings::for_task(Task::TriviaQa))
    )
}
