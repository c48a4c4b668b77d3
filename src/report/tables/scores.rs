//! Exact match and F1 by task, model and language, over seeds, with published numbers beside them.

use super::averages::Subject;
use super::beside::{Beside, PublishedScore, beside};
use super::table::{Column, Kind, Table, Value};
use crate::corpus::Task;
use crate::report::published::Published;
use crate::report::runs::Metric;
use crate::report::statistics::RESAMPLES;

/// A table's name, what it shows, the tasks in it.
const TABLES: [(&str, &str, &[Task]); 6] = [
    ("squad", "SQuAD and SQ3", &[Task::Squad, Task::Sq3]),
    ("xquad", "XQuAD, by language", &[Task::Xquad]),
    ("xq3", "XQ3, by language", &[Task::Xq3]),
    ("mlqa", "MLQA, by language of the context and of the question", &[Task::Mlqa]),
    ("tydiqa", "TyDi QA GoldP, by language", &[Task::TydiQa]),
    ("triviaqa", "TriviaQA", &[Task::TriviaQa]),
];

/// The tables of all tasks, those without rows among them.
pub(super) fn tables(subjects: &[Subject], published: &[Published]) -> Vec<Table> {
    let published = PublishedScore::all(published);
    let of = |(name, title, tasks): (&'static str, &str, &[Task])| {
        let here: Vec<&Subject> =
            subjects.iter().filter(|subject| tasks.contains(&subject.cell.kind)).collect();
        let mut table = Table::new(name, format!("{title}, percent"), columns()).with_note(note(&here));
        table.rows = beside(&here, &published).iter().map(row).collect();
        table
    };
    TABLES.map(of).into()
}

fn columns() -> Vec<Column> {
    let estimate = |metric: Metric| Column::new(metric.name(), heading(metric), Kind::Estimate);
    let chance = |metric: Metric| {
        let name = metric.name();
        Column::new(format!("{name}_chance"), format!("chance {}", heading(metric)), Kind::Number(2))
    };
    let theirs = |metric: Metric| {
        let name = metric.name();
        Column::new(format!("published_{name}"), format!("published {}", heading(metric)), Kind::Spread)
    };
    let [em, f1] = Metric::ALL;
    vec![
        Column::text("task"),
        Column::new("context_language", "context", Kind::Text),
        Column::new("language", "language", Kind::Text),
        Column::text("model"),
        Column::text("protocol"),
        estimate(em),
        estimate(f1),
        Column::count("seeds"),
        Column::count("questions"),
        chance(em),
        chance(f1),
        Column::new("published_source", "source", Kind::Text),
        Column::new("published_protocol", "their protocol", Kind::Text),
        theirs(em),
        theirs(f1),
        Column::new("published_seeds", "their seeds", Kind::Count),
    ]
}

/// A metric's name for people.
pub(super) fn heading(metric: Metric) -> &'static str {
    match metric {
        Metric::ExactMatch => "EM",
        Metric::F1 => "F1",
    }
}

fn note(subjects: &[&Subject]) -> String {
    let seeds = subjects.iter().map(|subject| subject.pool.seeds().len()).max().unwrap_or(0);
    let design = if seeds > 1 { "questions and seeds" } else { "questions (there is one seed)" };
    format!(
        "Mean ± sample standard deviation over seeds [95 % interval by bootstrap over {design}, {RESAMPLES} \
         resamples]. A cell that was not run is empty."
    )
}

fn row(row: &Beside) -> Vec<Value> {
    let mut values: Vec<Value> = match row {
        Beside::Ours(subject, _) | Beside::Also(subject, _) => {
            let cell = subject.cell;
            let context = subject.context_language.clone().unwrap_or_default();
            [&cell.task, &context, &subject.language, &cell.model].map(Value::text).into()
        }
        Beside::Theirs(score) => [score.task, "", score.language, score.model].map(Value::text).into(),
    };
    match row {
        Beside::Ours(subject, _) => {
            let pool = &subject.pool;
            values.push(Value::text(&subject.cell.protocol));
            values.extend(Metric::ALL.map(|metric| Value::from(subject.estimate(metric))));
            values.push(Some(pool.seeds().len()).into());
            values.push(pool.questions().into());
            values.extend(Metric::ALL.map(|metric| pool.chance(metric).into()));
        }
        Beside::Also(..) | Beside::Theirs(_) => values.extend(vec![Value::Empty; 7]),
    }
    match row {
        Beside::Ours(_, Some(score)) | Beside::Also(_, score) | Beside::Theirs(score) => {
            values.extend([Value::text(score.source), Value::text(&score.protocol)]);
            let theirs =
                |metric| score.value(metric).map_or(Value::Empty, |(mean, sd)| Value::Spread(mean, sd));
            values.extend(Metric::ALL.map(theirs));
            values.push(score.seeds.into());
        }
        Beside::Ours(_, None) => values.extend(vec![Value::Empty; 5]),
    }
    values
}
