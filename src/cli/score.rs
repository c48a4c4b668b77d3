//! `longqa score`: predictions against gold answers, the official numbers on stdout.

use std::io::{self, Write};
use std::path::PathBuf;

use super::Context;
use crate::corpus::squad;
use crate::qa::{Predictions, metrics};

/// Score predictions as the official script of a task does
///
/// Prints one JSON object. Questions without a prediction count as wrong; predictions for unknown
/// questions are passed over; both are counted on stderr.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  longqa score --task squad --gold dev-v1.1.json --predictions out/predictions.json"
)]
pub struct Args {
    /// Whose official script to follow
    #[arg(long, value_enum, default_value_t = Task::Squad)]
    task: Task,
    /// The data file with the gold answers, in the SQuAD v1.1 layout
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// One JSON object, question id to answer text
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,
}

/// Tasks with official metrics.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Task {
    /// SQuAD 1.1 and every data set that is scored like it: XQuAD, for one
    Squad,
}

/// Prints the scores.
pub fn run(args: Args, _context: &Context) -> anyhow::Result<()> {
    let Task::Squad = args.task;
    let dataset = squad::read(&args.gold)?;
    let predictions = Predictions::read(&args.predictions)?;
    let evaluation = metrics::evaluate(&dataset, &predictions)?;
    if evaluation.unanswered > 0 {
        tracing::warn!(
            "{} of {} questions have no prediction and score 0",
            evaluation.unanswered,
            evaluation.scores.total
        );
    }
    if evaluation.unknown > 0 {
        tracing::warn!("{} predictions name no question of {}", evaluation.unknown, args.gold.display());
    }
    writeln!(io::stdout().lock(), "{}", evaluation.scores)?;
    Ok(())
}
