//! `longqa reproduce`: an experiment file to tables.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::bail;

use super::sources::{FetchArgs, LockArgs};
use super::{Context, plan_text};
use crate::experiment::execute::Local;
use crate::experiment::provenance::Provenance;
use crate::experiment::run::{Outcome, Runner, Todo};
use crate::experiment::{Experiment, Plan, Store};
use crate::fetch::Settings;
use crate::interrupt::Interrupted;
use crate::report::published;
use crate::report::runs::{self, KeptRuns, Record};
use crate::report::{Report, ResultsFolder, write_manifest};

/// Run an experiment: whatever of it is not in the stage store yet, then its tables
///
/// Every stage (a download, a conversion, a training, …) is known by its settings and inputs. What
/// is finished is not run again; a stopped training goes on from its last checkpoint; changing one
/// setting runs the stages behind it and no others.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longqa reproduce experiments/demo.toml
  longqa reproduce experiments/thesis.toml --plan
  longqa reproduce experiments/thesis.toml --store /data/store --mirror /data/mirror --offline")]
pub struct Args {
    /// The experiment file; docs/experiments.md describes it
    file: PathBuf,
    /// Print what would be run, and run nothing; needs no network and no file but the experiment's
    #[arg(long)]
    pub(super) plan: bool,
    /// With --plan: the rate that device hours are estimated at, 10¹² operations a second
    #[arg(long, value_name = "RATE", default_value_t = plan_text::TERAFLOPS, requires = "plan")]
    teraflops: f64,
    #[command(flatten)]
    store: StoreArgs,
    /// Where tables and manifest go [default: results/<name of the experiment>]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    #[command(flatten)]
    fetch: FetchArgs,
}

/// Where stages are and which files there are to fetch; `status` has the same.
#[derive(Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// Where finished stages are kept; experiments share it
    #[arg(long = "store", value_name = "DIR", env = "LONGQA_STORE", default_value = "store")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Plans, runs, reports.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let experiment = Experiment::read(&args.file)?;
    let lock = args.store.lock.read()?;
    let plan = Plan::new(&experiment, &lock)?;
    let store = Store::at(&args.store.folder);
    let todo = Todo::of(&plan, &store)?;
    if args.plan {
        let text = plan_text::stages(&experiment, &plan, &todo, args.teraflops);
        return Ok(io::stdout().lock().write_all(text.as_bytes())?);
    }
    let folder = args.results.clone().unwrap_or_else(|| PathBuf::from("results").join(&experiment.name));
    // Before hours of work, not after them.
    let results = ResultsFolder::open(&folder, "results")?;
    published::numbers(&experiment.published.sources)?;
    if todo.missing.is_empty() {
        tracing::info!("all {} stages that the results need are done; nothing to run", todo.present.len());
    } else {
        io::stderr().lock().write_all(plan_text::summary(&experiment, &plan, &todo).as_bytes())?;
    }

    let device = context.device;
    let provenance = Provenance::gather(device);
    let execute = Local { fetcher: args.fetch.fetcher(Settings::default())?, lock: lock.clone(), device };
    let runner =
        Runner { store: &store, execute: &execute, interrupt: &context.interrupt, provenance: &provenance };
    let outcome = match runner.run(&plan) {
        Err(error) if error.is_interruption() => return Err(Interrupted.into()),
        outcome => outcome?,
    };

    let record = Record::collect(&experiment, &plan, &store)?;
    KeptRuns::of(results.path()).write(&record, &runs::predictions(&plan, &store))?;
    let report = Report::of(&record)?;
    let page = report.write(&results)?;
    write_manifest(&results, &experiment, lock.digest(), &plan, &store, &provenance)?;
    writeln!(io::stdout().lock(), "{}\n{}", report.text(), page.display())?;
    failures(&plan, &outcome)
}

fn failures(plan: &Plan, outcome: &Outcome) -> anyhow::Result<()> {
    if outcome.failed.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = outcome.failed.iter().map(|(_, error)| error.to_string()).collect();
    bail!(
        "{} of {} stages failed and {} behind them were left out; run again to try them anew:\n{}",
        outcome.failed.len(),
        plan.stages.len(),
        outcome.left_out.len(),
        lines.join("\n")
    )
}
