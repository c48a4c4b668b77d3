//! Every run on its own: one row per model × task × language × seed × metric.

use crate::experiment::outcome::{self, QuestionOutcome, ScoreOutcome};
use crate::experiment::plan::Cell;
use crate::experiment::stage::StageKey;
use crate::experiment::{Plan, Store};

use super::ReportError;

/// The metrics of question answering, in the tables' order.
pub const METRICS: [&str; 2] = ["exact_match", "f1"];

/// A cell of the experiment with what came of it.
#[derive(Debug, Clone)]
pub struct Run {
    /// Model, task, language, seed.
    pub cell: Cell,
    /// The stage that trained, the one that answered, the one that scored.
    pub keys: [StageKey; 3],
    /// The scores; none if it was not run.
    pub scores: Option<ScoreOutcome>,
    /// Each question's score; empty if it was not run.
    pub questions: Vec<QuestionOutcome>,
}

/// All cells of `plan`, with the outcomes of those that are finished in `store`.
pub fn collect(plan: &Plan, store: &Store) -> Result<Vec<Run>, ReportError> {
    plan.cells.iter().map(|cell| run(plan, store, cell)).collect()
}

fn run(plan: &Plan, store: &Store, cell: &Cell) -> Result<Run, ReportError> {
    let stage = &plan.stages[cell.score];
    let keys = [cell.finetune, cell.predict, cell.score].map(|at| plan.stages[at].key);
    let (mut scores, mut questions) = (None, Vec::new());
    if store.finished(stage)?.is_some() {
        let folder = store.output(stage);
        let unreadable = |source| ReportError::Outcome { folder: folder.clone(), source };
        scores = Some(outcome::read_scores(&folder).map_err(unreadable)?);
        questions = outcome::read_questions(&folder).map_err(unreadable)?;
    }
    Ok(Run { cell: cell.clone(), keys, scores, questions })
}

impl Run {
    /// The value of a metric, in percent.
    pub fn value(&self, metric: &str) -> Option<f64> {
        let scores = self.scores.as_ref()?;
        Some(if metric == "f1" { scores.f1 } else { scores.exact_match })
    }

    /// What guessing gives for a metric, in percent.
    pub fn chance(&self, metric: &str) -> Option<f64> {
        let chance = self.scores.as_ref()?.chance?;
        Some(if metric == "f1" { chance.f1 } else { chance.exact_match })
    }
}

/// The headings of `runs.csv`.
pub const HEADINGS: [&str; 11] = [
    "model",
    "task",
    "language",
    "seed",
    "metric",
    "value",
    "questions",
    "protocol",
    "finetune",
    "predict",
    "score",
];

/// The rows of `runs.csv`; a cell not run has no value.
pub fn rows(runs: &[Run]) -> Vec<Vec<String>> {
    let row = |run: &Run, metric: &str| {
        let Cell { model, task, language, seed, protocol, .. } = &run.cell;
        let value = run.value(metric).map(|value| value.to_string()).unwrap_or_default();
        let questions = run.scores.as_ref().map(|scores| scores.total.to_string()).unwrap_or_default();
        let mut row = vec![model.clone(), task.clone(), language.clone(), seed.0.to_string()];
        row.extend([metric.to_owned(), value, questions, protocol.clone()]);
        row.extend(run.keys.map(|key| key.to_string()));
        row
    };
    runs.iter().flat_map(|run| METRICS.map(|metric| row(run, metric))).collect()
}
