//! A long model against the short one it was made from, on the same questions by the same rules.

use super::averages::Subject;
use super::scores::heading;
use super::table::{Column, Kind, Table, Value};
use crate::report::groups::Pool;
use crate::report::runs::Metric;
use crate::report::statistics::RESAMPLES;

pub(super) fn table(subjects: &[Subject]) -> Table {
    let note = format!(
        "Long less short over the questions that both answered, percentage points. Interval and p by paired \
         bootstrap: questions are drawn for both at once, the seeds of each for itself (one seed: questions \
         alone); {RESAMPLES} resamples, two-sided p, not corrected for the number of comparisons."
    );
    let mut table =
        Table::new("comparisons", "Long models less the short ones they were made from", columns())
            .with_note(note);
    for long in subjects {
        for short in subjects.iter().filter(|short| compares(long, short)) {
            table.rows.push(row(long, short));
        }
    }
    table
}

fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> =
        ["task", "context_language", "language", "long_model", "long_protocol", "short_task", "short_model"]
            .map(Column::text)
            .into();
    columns.push(Column::text("short_protocol"));
    columns.push(Column::count("questions"));
    columns.push(Column::count("long_seeds"));
    columns.push(Column::count("short_seeds"));
    for metric in Metric::ALL {
        let (name, heading) = (metric.name(), heading(metric));
        columns.push(Column::new(format!("{name}_difference"), format!("Δ{heading}"), Kind::Number(2)));
        columns.push(Column::new(
            format!("{name}_difference_ci_low"),
            format!("Δ{heading} from"),
            Kind::Number(2),
        ));
        columns.push(Column::new(format!("{name}_difference_ci_high"), "to", Kind::Number(2)));
        columns.push(Column::new(format!("{name}_p"), "p", Kind::Number(4)));
    }
    columns
}

/// Whether `short` is what `long` was made from, with the same questions and rules.
fn compares(long: &Subject, short: &Subject) -> bool {
    let same = |one: &Subject, other: &Subject| {
        let (mine, theirs) = (one.cell, other.cell);
        one.language == other.language
            && one.context_language == other.context_language
            && mine.kind == theirs.kind
            && mine.rules == theirs.rules
            && questions(&one.pool) == questions(&other.pool)
    };
    long.cell.base_model.as_ref() == Some(&short.cell.model) && same(long, short)
}

/// What the pool's questions were read from, language by language.
fn questions<'a>(pool: &'a Pool) -> Vec<(&'a str, &'a str, Option<&'a str>)> {
    let cells = pool.members.iter().map(|group| group.cell);
    cells
        .map(|cell| (cell.evaluated_on.as_str(), cell.language.as_str(), cell.context_language.as_deref()))
        .collect()
}

fn row(long: &Subject, short: &Subject) -> Vec<Value> {
    let context = long.context_language.clone().unwrap_or_default();
    let short_task = if short.cell.task == long.cell.task { "" } else { &short.cell.task };
    let mut values: Vec<Value> = [
        &long.cell.task,
        &context,
        &long.language,
        &long.cell.model,
        &long.cell.protocol,
        short_task,
        &short.cell.model,
        &short.cell.protocol,
    ]
    .map(Value::text)
    .into();
    let differences = Metric::ALL.map(|metric| long.pool.difference(&short.pool, metric));
    values.push(differences[0].map(|(_, questions)| questions).into());
    values.extend([long, short].map(|subject| Value::from(Some(subject.pool.seeds().len()))));
    for difference in differences {
        let difference = difference.map(|(difference, _)| difference);
        values.push(difference.map(|found| found.mean).into());
        values.push(difference.map(|found| found.interval.low).into());
        values.push(difference.map(|found| found.interval.high).into());
        values.push(difference.map(|found| found.p).into());
    }
    values
}
