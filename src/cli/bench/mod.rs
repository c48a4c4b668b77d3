//! `longqa bench`: how fast this machine trains.

mod ceiling;
mod row;
mod tokenize;
mod train_step;

use super::Context;

/// Measure throughput on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    Tokenize(tokenize::Tokenize),
    TrainStep(train_step::TrainStep),
}

/// Runs the bench that is asked for.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.subject {
        Subject::Tokenize(bench) => bench.run(context),
        Subject::TrainStep(bench) => bench.run(context),
    }
}
