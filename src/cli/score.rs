//! `longqa score`: predictions against gold answers, the official numbers on stdout.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use super::Context;
use super::reading_flags::ReadingFlags;
use crate::corpus::{Task, triviaqa};
use crate::qa::metrics::{self, Evaluation};
use crate::qa::{Gold, Predictions, Rules, predictions};

/// Score predictions as the official script of a task does
///
/// Prints one JSON object. Questions without a prediction count as wrong; predictions for unknown
/// questions are passed over; both are counted on stderr. tydiqa without --language gives the scores of each
/// language too, and the mean over the languages but English that its rules ask for. triviaqa files
/// predictions by question id in files of Wikipedia, by ID--FILENAME in files of the web.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa score --task squad --gold dev-v1.1.json --predictions out/predictions.json
  longqa score --task mlqa --gold test-context-de-question-en.json --predictions out/predictions.json")]
pub struct Args {
    #[command(flatten)]
    reading: ReadingFlags,
    /// Ids of questions that do not count, as one JSON list
    #[arg(long, visible_alias = "left_out", value_name = "FILE")]
    left_out: Option<PathBuf>,
    /// The data file with the gold answers
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// One JSON object, question id to answer text
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,
}

/// Prints the scores.
pub fn run(args: Args, _context: &Context) -> anyhow::Result<()> {
    let reading = args.reading.reading();
    reading.validate()?;
    let rules = Rules::of(&reading, &args.gold)?;
    let predictions = Predictions::read(&args.predictions)?;
    let left_out = args.left_out.as_deref().map(predictions::read_ids).transpose()?.unwrap_or_default();
    let evaluate = |gold: &Gold| -> anyhow::Result<Evaluation> {
        let evaluation = metrics::evaluate(rules, gold, &predictions, &left_out)?;
        warn(&args, &evaluation, &left_out);
        Ok(evaluation)
    };
    let mut stdout = io::stdout().lock();
    if reading.task == Task::TriviaQa {
        let evaluation = evaluate(&Gold::from(&triviaqa::read(&args.gold)?))?;
        writeln!(stdout, "{}", metrics::triviaqa::Report::of(&evaluation, predictions.len()))?;
        return Ok(());
    }
    let dataset = reading.read(&args.gold)?;
    let evaluation = evaluate(&Gold::from(&dataset))?;
    match (reading.task, &reading.language) {
        (Task::TydiQa, None) => {
            writeln!(stdout, "{}", metrics::tydiqa::Report::of(&dataset, &evaluation))?;
        }
        _ => writeln!(stdout, "{}", evaluation.scores)?,
    }
    Ok(())
}

/// Counts what is odd about the files, on stderr.
fn warn(args: &Args, evaluation: &Evaluation, left_out: &HashSet<String>) {
    let gold = args.gold.display();
    let Evaluation { scores, unanswered, unknown, .. } = evaluation;
    if *unanswered > 0 {
        tracing::warn!("{unanswered} of {} questions have no prediction and score 0", scores.total);
    }
    if *unknown > 0 {
        tracing::warn!("{unknown} predictions name no question of {gold}");
    }
    if evaluation.left_out() < left_out.len() {
        let strange = left_out.len() - evaluation.left_out();
        tracing::warn!("{strange} of {} ids to leave out name no question of {gold}", left_out.len());
    }
}
