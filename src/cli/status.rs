//! `longqa status`: how far an experiment is.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::bail;

use super::Context;
use super::reproduce::StoreArgs;
use crate::experiment::run::Todo;
use crate::experiment::store::{Check, State};
use crate::experiment::{Experiment, Plan, Store};

/// Show which stages of an experiment are done, running, stopped, failed or missing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longqa status experiments/demo.toml
  longqa status experiments/thesis.toml --store /data/store --verify")]
pub struct Args {
    /// The experiment file
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// Compare every file of every finished stage with its digest
    #[arg(long)]
    verify: bool,
}

/// Prints one line per stage, then how many there are in each state.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let experiment = Experiment::read(&args.file)?;
    let plan = Plan::new(&experiment, &args.store.lock.read()?)?;
    let store = Store::at(&args.store.folder);
    let mut counts: Vec<(&str, usize)> =
        ["done", "running", "stopped", "failed", "damaged", "missing", "not needed"]
            .map(|name| (name, 0))
            .into();
    let needed = Todo::of(&plan, &store).ok();
    let mut out = io::stdout().lock();
    for (at, stage) in plan.stages.iter().enumerate() {
        context.interrupt.check()?;
        let is_needed = needed.as_ref().is_none_or(|todo| todo.missing.contains(&at));
        let (name, more) = match store.state(stage) {
            Ok(State::Done(manifest)) => match args.verify.then(|| store.verify(stage, Check::Digests)) {
                Some(Err(error)) => ("damaged", error.to_string()),
                _ => ("done", format!("{:.1} s", manifest.wall_seconds)),
            },
            Ok(State::Running) => ("running", String::new()),
            Ok(State::Stopped) => ("stopped", "goes on from its last checkpoint".to_owned()),
            Ok(State::Failed(failure)) => {
                let log = store.failure_log(stage);
                ("failed", format!("{}; see {}", failure.error.join(": "), log.display()))
            }
            Ok(State::Missing) if is_needed => ("missing", String::new()),
            Ok(State::Missing) => ("not needed", String::new()),
            Err(error) => ("damaged", error.to_string()),
        };
        if let Some((_, count)) = counts.iter_mut().find(|(other, _)| *other == name) {
            *count += 1;
        }
        let line = format!("{name:<10}  {:<15}  {}  {}  {more}", stage.work.kind(), stage.key, stage.title);
        writeln!(out, "{}", line.trim_end())?;
    }
    counts.retain(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    writeln!(out, "{} stages: {}", plan.stages.len(), counts.join(", "))?;
    if counts.iter().any(|count| count.ends_with("damaged")) {
        bail!("some stages are damaged");
    }
    Ok(())
}
