//! A plan as text: one line per stage with what it will cost, and the sums.

use std::fmt::Write;

use crate::experiment::estimate::{self, Estimate};
use crate::experiment::run::Todo;
use crate::experiment::stage::Stage;
use crate::experiment::{Experiment, Plan};

/// A guess at what one H200 sustains in bfloat16: two fifths of its matrix products' measured rate.
pub const TERAFLOPS: f64 = 300.0;

/// Kinds of stages that put tokens through a model.
const COMPUTING: [&str; 3] = ["pretrain", "finetune", "predict"];

/// One line per stage: whether it will be run, tokens and device hours where they can be estimated, what
/// it is; then the sums of what is to run.
pub fn stages(experiment: &Experiment, plan: &Plan, todo: &Todo, teraflops: f64) -> String {
    let estimates = estimate::of_plan(plan);
    let hours = |estimate: &Estimate| estimate.operations / (teraflops * 1e12) / 3600.0;
    let mut text = head(experiment, plan, todo);
    let _ = writeln!(
        text,
        "Tokens are estimated from mean sizes of the data, device hours from them at {teraflops} TFLOP/s \
         (--teraflops), an assumption and no measurement; `?` where the data's size is not known beforehand."
    );
    let _ = writeln!(text, "state       kind             key                tokens     hours  what");
    for (at, (stage, estimate)) in plan.stages.iter().zip(&estimates).enumerate() {
        let (tokens, hours) = match estimate {
            Some(estimate) => (short(estimate.tokens), format!("{:.3}", hours(estimate))),
            None if COMPUTING.contains(&stage.work.kind()) => ("?".to_owned(), "?".to_owned()),
            None => (String::new(), String::new()),
        };
        let (state, kind) = (state(todo, at), stage.work.kind());
        let _ = writeln!(
            text,
            "{state:<10}  {kind:<15}  {}  {tokens:>9}  {hours:>8}  {}",
            stage.key, stage.title
        );
    }
    for kind in COMPUTING {
        let all: Vec<&Option<Estimate>> = of_kind(plan, todo, kind).map(|(at, _)| &estimates[at]).collect();
        let known: Vec<&Estimate> = all.iter().filter_map(|estimate| estimate.as_ref()).collect();
        // From 0, since a sum of nothing is −0.
        let tokens = known.iter().fold(0.0, |sum, estimate| sum + estimate.tokens);
        let hours = known.iter().fold(0.0, |sum, estimate| sum + hours(estimate));
        let unknown = match all.len() - known.len() {
            0 => String::new(),
            count => format!(", without {count} of unknown size"),
        };
        let _ = writeln!(
            text,
            "{kind}: {} to run, {} tokens, {hours:.1} device hours{unknown}",
            all.len(),
            short(tokens)
        );
    }
    text
}

/// How many stages there are of each kind, and how many will be run.
pub fn summary(experiment: &Experiment, plan: &Plan, todo: &Todo) -> String {
    let mut text = head(experiment, plan, todo);
    let mut kinds: Vec<&str> = plan.stages.iter().map(|stage| stage.work.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let all = plan.stages.iter().filter(|stage| stage.work.kind() == kind).count();
        let _ = writeln!(text, "  {kind:<15}  {all:>5}, {:>5} to run", of_kind(plan, todo, kind).count());
    }
    text
}

fn head(experiment: &Experiment, plan: &Plan, todo: &Todo) -> String {
    format!(
        "experiment {}: {} stages, {} to run, {} done\n",
        experiment.name,
        plan.stages.len(),
        todo.missing.len(),
        todo.present.len(),
    )
}

/// The stages of `kind` that will be run, with their places.
fn of_kind<'a>(
    plan: &'a Plan,
    todo: &'a Todo,
    kind: &'a str,
) -> impl Iterator<Item = (usize, &'a Stage)> + 'a {
    let missing = todo.missing.iter().map(|&at| (at, &plan.stages[at]));
    missing.filter(move |(_, stage)| stage.work.kind() == kind)
}

fn state(todo: &Todo, at: usize) -> &'static str {
    if todo.missing.contains(&at) {
        "to run"
    } else if todo.present.contains(&at) {
        "done"
    } else {
        "not needed"
    }
}

/// Three digits and a unit: `1.57 G`.
fn short(number: f64) -> String {
    let (value, unit) = match number {
        n if n >= 1e12 => (n / 1e12, " T"),
        n if n >= 1e9 => (n / 1e9, " G"),
        n if n >= 1e6 => (n / 1e6, " M"),
        n if n >= 1e3 => (n / 1e3, " k"),
        n => (n, ""),
    };
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        for (number, text) in
            [(1.572864e9, "1.57 G"), (12_345.0, "12.3 k"), (999e9, "999 G"), (5.0, "5.00"), (2e12, "2.00 T")]
        {
            assert_eq!(short(number), text);
        }
    }
}
