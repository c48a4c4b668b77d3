//! Models that differ in one thing, on the same questions, trained on the same ones: a long model against the
//! short one that it was made from, and against another long one of the same; full attention against a
//! window; the original work's rules against the standard ones.

use super::averages::Subject;
use super::scores::heading;
use super::table::{Column, Kind, Table, Value};
use crate::experiment::family::{Families, Questions};
use crate::model::Attention;
use crate::report::groups::{Group, Pool};
use crate::report::runs::Metric;
use crate::report::statistics::RESAMPLES;
use crate::text::Protocol;

pub(super) fn table(subjects: &[Subject], families: &Families) -> Table {
    let note = format!(
        "One less the other over the questions that both answered, percentage points: a long model less the \
         short one it was made from (length), less one before it that was made from the same (model), full \
         attention less a window (attention), the original work's rules less the standard ones (protocol). \
         Interval and p by paired bootstrap: questions are drawn for both at once, the seeds of each for itself \
         (one seed: questions alone); {RESAMPLES} resamples, two-sided p, not corrected for the number of \
         comparisons."
    );
    let mut table =
        Table::new("comparisons", "Differences between models that differ in one thing", columns())
            .with_note(note);
    for (at, one) in subjects.iter().enumerate() {
        for (place, other) in subjects.iter().enumerate() {
            if let Some(change) = change(one, other, place < at)
                && asked_the_same(one, other, families)
            {
                table.rows.push(row(change, one, other));
            }
        }
    }
    table
}

fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = [
        "difference_in",
        "task",
        "context_language",
        "language",
        "model",
        "protocol",
        "other_task",
        "other_model",
        "other_protocol",
    ]
    .map(Column::text)
    .into();
    columns.extend(["questions", "seeds", "other_seeds"].map(Column::count));
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

/// The one thing that `one` and `other` differ in, if `one` is the one to be told of.
///
/// A short model has no window to compare: a long one is set against it by either attention, and in tasks of
/// whatever length.
fn change(one: &Subject, other: &Subject, other_is_before: bool) -> Option<&'static str> {
    let (one, other) = (one.cell, other.cell);
    let same_rules = one.rules == other.rules;
    if one.base_model.as_ref() == Some(&other.model) {
        return same_rules.then_some("length");
    }
    if one.max_length != other.max_length {
        return None;
    }
    let same_attention = one.attention == other.attention;
    match (one.model == other.model, same_attention, same_rules) {
        (false, true, true) => {
            let siblings = one.base_model.is_some() && one.base_model == other.base_model;
            (siblings && other_is_before).then_some("model")
        }
        (true, false, true) => (one.attention == Attention::Dense).then_some("attention"),
        (true, true, false) => (one.rules == Protocol::Sagen2021).then_some("protocol"),
        _ => None,
    }
}

/// Whether both were trained on the same questions and asked the same ones.
fn asked_the_same(one: &Subject, other: &Subject, families: &Families) -> bool {
    one.language == other.language
        && one.context_language == other.context_language
        && one.cell.kind == other.cell.kind
        && questions(&one.pool, families) == questions(&other.pool, families)
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

fn row(change: &str, one: &Subject, other: &Subject) -> Vec<Value> {
    let context = one.context_language.clone().unwrap_or_default();
    let other_task = if other.cell.task == one.cell.task { "" } else { &other.cell.task };
    let mut values: Vec<Value> = [
        change,
        &one.cell.task,
        &context,
        &one.language,
        &one.cell.model,
        &one.cell.protocol,
        other_task,
        &other.cell.model,
        &other.cell.protocol,
    ]
    .map(Value::text)
    .into();
    let differences = Metric::ALL.map(|metric| one.pool.difference(&other.pool, metric));
    values.push(differences[0].map(|(_, questions)| questions).into());
    values.extend([one, other].map(|subject| Value::from(Some(subject.pool.seeds().len()))));
    for difference in differences {
        let difference = difference.map(|(difference, _)| difference);
        values.push(difference.map(|found| found.mean).into());
        values.push(difference.map(|found| found.interval.low).into());
        values.push(difference.map(|found| found.interval.high).into());
        values.push(difference.map(|found| found.p).into());
    }
    values
}
