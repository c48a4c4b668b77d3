//! Every run on its own, with the stages behind it.

use super::scores::heading;
use super::table::{Column, Kind, Table, Value};
use crate::report::runs::{Metric, Run};

/// One row for each model, task, language and seed; one that was not run has no scores.
pub(super) fn table(runs: &[Run]) -> Table {
    let mut columns: Vec<Column> =
        ["task", "context_language", "language", "model", "protocol"].map(Column::text).into();
    columns.push(Column::count("seed"));
    columns.extend(Metric::ALL.map(|metric| Column::new(metric.name(), heading(metric), Kind::Number(2))));
    columns.push(Column::count("questions"));
    columns.push(Column::count("left_out"));
    columns.extend(["finetune", "predict", "score"].map(Column::text));
    let mut table = Table::new("runs", "Every run, percent", columns)
        .with_note("The last columns are the keys of the stages behind a run.");
    table.rows = runs.iter().map(row).collect();
    table
}

fn row(run: &Run) -> Vec<Value> {
    let cell = &run.cell;
    let context = cell.context_language.clone().unwrap_or_default();
    let mut values: Vec<Value> =
        [&cell.task, &context, &cell.language, &cell.model, &cell.protocol].map(Value::text).into();
    values.push(Value::Count(cell.seed.0));
    values.extend(Metric::ALL.map(|metric| Value::from(run.value(metric))));
    values.push(run.scores.as_ref().map(|scores| scores.total).into());
    values.push(run.scores.as_ref().map(|scores| scores.left_out).into());
    values.extend(
        [run.keys.finetune, run.keys.predict, run.keys.score].map(|key| Value::text(key.to_string())),
    );
    values
}
