//! A long model against the short one it was made from, on the same questions by the same rules.

use super::averages::Subject;
use super::scores::heading;
use super::table::{Column, Kind, Table, Value};
use crate::experiment::family::{Families, Questions};
use crate::report::groups::{Group, Pool};
use crate::report::runs::Metric;
use crate::report::statistics::RESAMPLES;

pub(super) fn table(subjects: &[Subject], families: &Families) -> Table {
    let note = format!(
        "Long less short over the questions that both answered, percentage points. Interval and p by paired \
         bootstrap: questions are drawn for both at once, the seeds of each for itself (one seed: questions \
         alone); {RESAMPLES} resamples, two-sided p, not corrected for the number of comparisons."
    );
    let mut table =
        Table::new("comparisons", "Long models less the short ones they were made from", columns())
            .with_note(note);
    for long in subjects {
        for short in subjects.iter().filter(|short| compares(long, short, families)) {
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

/// Whether `short` is what `long` was made from, trained on the same questions, asked the same ones,
/// by the same rules.
fn compares(long: &Subject, short: &Subject, families: &Families) -> bool {
    long.cell.base_model.as_ref() == Some(&short.cell.model)
        && long.language == short.language
        && long.context_language == short.context_language
        && long.cell.kind == short.cell.kind
        && long.cell.rules == short.cell.rules
        && questions(&long.pool, families) == questions(&short.pool, families)
}

/// Language by language, the file of the questions as it is named, what is asked, what was trained on.
type Compared<'a> = (&'a str, &'a str, Option<Questions<'a>>, Option<Questions<'a>>);

fn questions<'a>(pool: &Pool<'a>, families: &'a Families) -> Vec<Compared<'a>> {
    let of = |group: &Group<'a>| {
        let asked = families.asked(group.family());
        let trained_on = families.trained_on(group.family());
        (group.cell.evaluated_on.as_str(), group.cell.language.as_str(), asked, trained_on)
    };
    pool.members.iter().map(of).collect()
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
