//! `longqa bench`: whether this machine computes what it should, and how fast it trains and reads text; and
//! the data of a run for programs that are held against it.

mod batches;
mod ceiling;
mod parity;
mod profile;
mod row;
mod tokenize;
mod train_step;

use super::Context;

/// Measure throughput on this machine, and check its attention
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    Batches(batches::Batches),
    Parity(parity::Parity),
    Tokenize(tokenize::Tokenize),
    TrainStep(train_step::TrainStep),
}

impl Args {
    /// Whether it computes with tensors.
    pub fn needs_device(&self) -> bool {
        match self.subject {
            Subject::Parity(_) | Subject::TrainStep(_) => true,
            Subject::Batches(_) | Subject::Tokenize(_) => false,
        }
    }
}

/// Runs the bench that is asked for.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.subject {
        Subject::Batches(batches) => batches.run(context),
        Subject::Parity(check) => check.run(context),
        Subject::Tokenize(bench) => bench.run(context),
        Subject::TrainStep(bench) => bench.run(context),
    }
}
