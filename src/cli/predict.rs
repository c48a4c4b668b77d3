//! `longqa predict`: from a question-answering model and a file of questions to answers.

use std::io::{self, Write};
use std::path::PathBuf;

use indicatif::ProgressBar;

use super::Context;
use super::reading_flags::ReadingFlags;
use super::settings_flags::{SettingsFlags, other_defaults};
use crate::corpus::Task;
use crate::qa::documents;
use crate::qa::predict::{self, PredictSettings};

/// Answer the questions of a file
///
/// Writes predictions.json and nbest_predictions.json in the official layout, so that any public
/// scorer reads them, and left_out.json, the ids of questions that the protocol leaves out. doc_stride
/// is the distance between the starts of two windows, as in BERT's run_squad.py; transformers'
/// run_qa.py gives the overlap instead.
///
/// triviaqa reads qa/*.json with the documents of evidence/ beside that folder. Its answers are filed by
/// question id in files of Wikipedia and by ID--FILENAME in files of the web; nbest_predictions.json has the
/// best answers from each document, by ID--FILENAME in both.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
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

/// Answers, writes the files and prints their folder.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let reading = args.reading.reading();
    let settings = args.settings.settings_over(&PredictSettings::for_task(reading.task))?;
    let bar = ProgressBar::new(0);
    let show = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let (device, interrupt) = (context.device, &context.interrupt);
    let answers = match reading.task {
        Task::TriviaQa => {
            reading.validate()?;
            let mut show = |progress: documents::Progress| show(progress.done, progress.documents);
            documents::answer(&args.model, &args.input, &settings, device, interrupt, &mut show)?
        }
        _ => {
            let dataset = reading.read(&args.input)?;
            let mut show = |progress: predict::Progress| show(progress.done, progress.windows);
            predict::answer(&args.model, &dataset, &settings, device, interrupt, &mut show)?
        }
    };
    bar.finish_and_clear();
    if !answers.left_out.is_empty() {
        let (input, left_out) = (args.input.display(), answers.left_out.len());
        let all = answers.predictions.len() + left_out;
        tracing::warn!("{input}: {left_out} of {all} questions left out by the protocol");
    }
    answers.write(&args.output)?;
    Ok(writeln!(io::stdout(), "{}", args.output.display())?)
}

fn after_help() -> String {
    format!(
        "Examples:
  longqa predict --model out --task squad --input dev-v1.1.json --max_length 384 --doc_stride 128 \\
      --output predictions
  longqa predict --model out --task triviaqa --input triviaqa-rc/qa/wikipedia-dev.json --output predictions

With --task triviaqa, unless said otherwise: {}",
        other_defaults(&PredictSettings::for_task(Task::TriviaQa))
    )
}
