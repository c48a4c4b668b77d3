//! Scores by the depth of the answer: does a model find what stands late in a document as well as
//! what stands early?

use super::scores::heading;
use super::table::{Column, Kind, Table, Value};
use crate::experiment::plan::Cell;
use crate::report::groups::{Group, Part, Pool};
use crate::report::runs::{Metric, Question};

/// Documents are divided into this many parts of equal length.
pub const PARTS: usize = 10;

/// The part that the answer begins in, from 0; none where it has no one place.
pub fn part_of(question: &Question) -> Option<usize> {
    question.depth().map(|depth| ((depth * PARTS as f64) as usize).min(PARTS - 1))
}

/// A row for each part of each group that was run; for people, one for each group, F1 alone.
pub(super) fn table(groups: &[Group]) -> Table {
    let title = "Scores by where in the document the answer begins, percent";
    let note = "Depth is the place of the first gold answer as a share of the document's characters.";
    let mut table = Table::new("depth", title, columns()).with_note(note);
    let mut overview =
        Table::new("depth", "F1 by where in the document the answer begins, percent", headings());
    for group in groups {
        let pool = Pool::one(group);
        let parts: Vec<_> = (0..PARTS).map(|part| scores(&pool, part)).collect();
        if parts.iter().all(Option::is_none) {
            continue;
        }
        for (part, scores) in parts.iter().enumerate() {
            let mut row = names(group.cell);
            row.extend([part, part + 1].map(|edge| Value::Number(edge as f64 / PARTS as f64)));
            row.push(Value::Count(scores.as_ref().map_or(0, |[_, f1]| f1.questions()) as u64));
            row.push(scores.as_ref().map(|[_, f1]| f1.summary.count).into());
            let spread = |part: &Part| Value::Spread(part.summary.mean, part.summary.sd);
            row.extend([0, 1].map(|at| scores.as_ref().map_or(Value::Empty, |parts| spread(&parts[at]))));
            table.rows.push(row);
        }
        let means = parts.iter().map(|scores| scores.as_ref().map(|[_, f1]| f1.summary.mean).into());
        overview.rows.push(names(group.cell).into_iter().chain(means).collect());
    }
    table.for_people = Some(Box::new(overview.with_note(note)));
    table
}

fn scores(pool: &Pool, part: usize) -> Option<[Part; 2]> {
    let there = |question: &Question| part_of(question) == Some(part);
    Some([pool.part(Metric::ExactMatch, there)?, pool.part(Metric::F1, there)?])
}

const NAMES: [&str; 5] = ["task", "context_language", "language", "model", "protocol"];

fn names(cell: &Cell) -> Vec<Value> {
    let context = cell.context_language.clone().unwrap_or_default();
    [&cell.task, &context, &cell.language, &cell.model, &cell.protocol].map(Value::text).into()
}

fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = NAMES.map(Column::text).into();
    columns.extend(["depth_from", "depth_to"].map(|name| Column::new(name, name, Kind::Number(1))));
    columns.extend(["questions", "seeds"].map(Column::count));
    columns.extend(Metric::ALL.map(|metric| Column::new(metric.name(), heading(metric), Kind::Spread)));
    columns
}

fn headings() -> Vec<Column> {
    let mut columns: Vec<Column> = NAMES.map(Column::text).into();
    let share = |part: usize| 100 * part / PARTS;
    let heading = |part: usize| format!("{}–{} %", share(part), share(part + 1));
    columns
        .extend((0..PARTS).map(|part| Column::new(format!("part_{part}"), heading(part), Kind::Number(1))));
    columns
}
