//! The program's subcommands, one file each: parse, call the library, print.
//!
//! stdout is for results, stderr for logs and progress. Exit codes: 0 done, 1 failed, 2 wrong
//! usage, 130 interrupted (state saved).

mod ask;
mod bench;
mod completions;
mod convert;
mod env;
mod excerpt;
mod fetch;
mod finetune;
mod lock;
mod man;
mod plan_text;
mod predict;
mod pretrain;
mod reading_flags;
mod report;
mod reproduce;
mod score;
mod settings_flags;
mod sources;
mod status;
mod training;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tch::Device;
use tracing_subscriber::EnvFilter;

use crate::causes;
use crate::device::Choice;
use crate::interrupt::{self, Interrupt, Interrupted};
use crate::native;

/// Does long-context ability learned on English transfer to other languages?
#[derive(Debug, Parser)]
#[command(name = "longqa", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Say more on stderr (twice: everything); RUST_LOG overrides it
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// What to compute on: auto, cpu, cuda or cuda:N; auto is the first GPU if CUDA can be used (`longqa env`
    /// says why not)
    #[arg(long, global = true, env = "LONGQA_DEVICE", value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ask(ask::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    Convert(convert::Args),
    Env(env::Args),
    Fetch(fetch::Args),
    Finetune(finetune::Args),
    Lock(lock::Args),
    Man(man::Args),
    Predict(predict::Args),
    Pretrain(pretrain::Args),
    Score(score::Args),
    Report(report::Args),
    Reproduce(reproduce::Args),
    Status(status::Args),
}

impl Command {
    /// The device to open before anything else: that asked for where a network is run, else the CPU.
    fn device(&self, asked: Choice) -> Choice {
        match self {
            Self::Bench(args) if args.needs_device() => asked,
            Self::Ask(_) | Self::Finetune(_) | Self::Predict(_) | Self::Pretrain(_) => asked,
            Self::Reproduce(args) if !args.plan => asked,
            Self::Bench(_)
            | Self::Reproduce(_)
            | Self::Convert(_)
            | Self::Env(_)
            | Self::Fetch(_)
            | Self::Lock(_) => Choice::Cpu,
            Self::Score(_) | Self::Report(_) | Self::Status(_) | Self::Completions(_) | Self::Man(_) => {
                Choice::Cpu
            }
        }
    }
}

/// What every subcommand is given besides its arguments.
struct Context {
    interrupt: Interrupt,
    /// Where tensors live.
    device: Device,
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    native::ask_for_deterministic_cublas();
    let cli = Cli::parse();
    start_log(&cli);
    let outcome = run(cli);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("longqa: {}", causes::words(error.as_ref()).join(": "));
            if causes::any_is::<Interrupted>(error.as_ref()) {
                ExitCode::from(interrupt::EXIT_CODE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let device = cli.command.device(cli.device);
    let device = device.open().with_context(|| format!("--device {device}"))?;
    let context = Context { interrupt: Interrupt::listen()?, device };
    match cli.command {
        Command::Ask(args) => ask::run(args, &context),
        Command::Bench(args) => bench::run(args, &context),
        Command::Completions(args) => completions::run(args),
        Command::Convert(args) => convert::run(args, &context),
        Command::Env(args) => env::run(args, cli.device),
        Command::Fetch(args) => fetch::run(args, &context),
        Command::Finetune(args) => finetune::run(args, &context),
        Command::Lock(args) => lock::run(args, &context),
        Command::Man(args) => man::run(args),
        Command::Predict(args) => predict::run(args, &context),
        Command::Pretrain(args) => pretrain::run(args, &context),
        Command::Score(args) => score::run(args, &context),
        Command::Report(args) => report::run(args, &context),
        Command::Reproduce(args) => reproduce::run(args, &context),
        Command::Status(args) => status::run(args, &context),
    }
}

fn start_log(cli: &Cli) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error",
        (false, 0) => "longqa=info,warn",
        (false, 1) => "longqa=debug,info",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

/// The reader of our output, `head` perhaps, has seen enough: no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    // Ours are not wrapped; a pipe that broke deep inside, a connection's perhaps, is a failure.
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ExperimentError;
    use crate::fetch::FetchError;
    use crate::qa::QaError;
    use crate::text::TextError;
    use crate::train::TrainError;

    #[test]
    fn an_interrupt_is_told_from_a_failure_whatever_it_passed_through() {
        let while_tokenizing = || TextError::Interrupted { path: "wiki".into(), source: Interrupted };
        let stopped: [anyhow::Error; 7] = [
            Interrupted.into(),
            FetchError::from(Interrupted).into(),
            TrainError::from(Interrupted).into(),
            TrainError::from(while_tokenizing()).into(),
            QaError::from(Interrupted).into(),
            QaError::from(while_tokenizing()).into(),
            ExperimentError::from(Interrupted).into(),
        ];
        for error in stopped {
            assert!(causes::any_is::<Interrupted>(error.as_ref()), "{error:?}");
        }
        assert!(!causes::any_is::<Interrupted>(anyhow::anyhow!("{Interrupted}").as_ref()));
    }
}
