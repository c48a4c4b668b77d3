//! `longqa predict`: from a question-answering model and a file of questions to answers.

use std::io::{self, Write};
use std::path::PathBuf;

use indicatif::ProgressBar;

use super::Context;
use super::reading_flags::ReadingFlags;
use super::settings_flags::SettingsFlags;
use crate::qa::predict::{self, PredictSettings};

/// Answer the questions of a file
///
/// Writes predictions.json and nbest_predictions.json in the official layout, so that any public
/// scorer reads them. doc_stride is the distance between the starts of two windows, as in BERT's
/// run_squad.py; transformers' run_qa.py gives the overlap instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  longqa predict --model out --task squad --input dev-v1.1.json --max_length 384 --doc_stride 128 \\
      --output predictions")]
pub struct Args {
    /// Folder of a fine-tuned model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    reading: ReadingFlags,
    /// The questions
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where the answers go
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    settings: SettingsFlags<PredictSettings>,
}

/// Answers, writes both files and prints their folder.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let settings = args.settings.settings()?;
    let dataset = args.reading.reading().read(&args.input)?;
    let bar = ProgressBar::new(0);
    let mut show = |progress: predict::Progress| {
        bar.set_length(progress.windows as u64);
        bar.set_position(progress.done as u64);
    };
    let answers =
        predict::answer(&args.model, &dataset, &settings, context.device, &context.interrupt, &mut show)?;
    bar.finish_and_clear();
    answers.write(&args.output.join("nbest_predictions.json"))?;
    answers.best().write(&args.output.join("predictions.json"))?;
    Ok(writeln!(io::stdout(), "{}", args.output.display())?)
}
