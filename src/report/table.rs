//! The results table: mean and standard deviation over seeds, model beside model, ours beside the
//! published numbers. One row per number; the columns `source` and `protocol` say whose it is and
//! how it was obtained.

use super::aligned::{Side, aligned, number};
use super::published::Published;
use super::runs::{METRICS, Run};
use super::statistics::Summary;

/// The name of our own numbers in the column `source`.
pub const OURS: &str = "longqa";

/// One number of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The task's name in the experiment file.
    pub task: String,
    /// The language of the questions.
    pub language: String,
    /// What was measured.
    pub metric: String,
    /// The model's name in the experiment file.
    pub model: String,
    /// Whose number it is.
    pub source: String,
    /// How it was obtained.
    pub protocol: String,
    /// The mean over seeds; none if nothing was run yet.
    pub mean: Option<f64>,
    /// The standard deviation over seeds; none for a single one.
    pub sd: Option<f64>,
    /// How many seeds.
    pub seeds: Option<usize>,
    /// What guessing gives.
    pub chance: Option<f64>,
}

/// The table of `runs`: by task, language and metric; in each the models in order, our number
/// first, then each published one of the same model, task, language and metric.
pub fn table(runs: &[Run], published: &[Published]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (task, language) in distinct(runs.iter().map(|run| (&run.cell.task, &run.cell.language))) {
        let here: Vec<&Run> =
            runs.iter().filter(|run| run.cell.task == *task && run.cell.language == *language).collect();
        for metric in METRICS {
            for model in distinct(here.iter().map(|run| &run.cell.model)) {
                let same: Vec<&Run> = here.iter().copied().filter(|run| run.cell.model == *model).collect();
                rows.extend(group(&same, metric, published));
            }
        }
    }
    rows
}

/// The rows of one model on one task in one language: `same` differ in the seed only.
fn group(same: &[&Run], metric: &str, published: &[Published]) -> Vec<Row> {
    let Some(cell) = same.first().map(|run| &run.cell) else { return Vec::new() };
    let values: Vec<f64> = same.iter().filter_map(|run| run.value(metric)).collect();
    let summary = Summary::of(&values);
    let ours = Row {
        task: cell.task.clone(),
        language: cell.language.clone(),
        metric: metric.to_owned(),
        model: cell.model.clone(),
        source: OURS.to_owned(),
        protocol: cell.protocol.clone(),
        mean: summary.map(|summary| summary.mean),
        sd: summary.and_then(|summary| summary.sd),
        seeds: Some(values.len()),
        chance: same.iter().find_map(|run| run.chance(metric)),
    };
    let theirs = published.iter().filter(|number| {
        number.model == cell.published_model
            && number.task == cell.published_task
            && number.language == cell.language
            && number.metric == metric
    });
    let theirs = theirs.map(|number| Row {
        source: number.source.clone(),
        protocol: number.protocol(),
        mean: Some(number.value),
        sd: number.sd,
        seeds: number.seeds,
        chance: None,
        ..ours.clone()
    });
    std::iter::once(ours.clone()).chain(theirs).collect()
}

/// Each value once, in the order of first appearance.
pub(super) fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}

/// The headings of `table.csv`.
pub const HEADINGS: [&str; 10] =
    ["task", "language", "metric", "model", "source", "protocol", "mean", "sd", "seeds", "chance"];

/// The rows of `table.csv`, numbers with four decimals.
pub fn rows(table: &[Row]) -> Vec<Vec<String>> {
    table.iter().map(|row| cells(row, 4)).collect()
}

fn cells(row: &Row, decimals: usize) -> Vec<String> {
    let names = [&row.task, &row.language, &row.metric, &row.model, &row.source, &row.protocol];
    let mut cells: Vec<String> = names.into_iter().cloned().collect();
    cells.extend([number(row.mean, decimals), number(row.sd, decimals)]);
    cells.push(row.seeds.map(|seeds| seeds.to_string()).unwrap_or_default());
    cells.push(number(row.chance, decimals));
    cells
}

/// The same table for people, two decimals; what a row shares with the one above is left out.
pub fn text(table: &[Row]) -> String {
    let mut above: Option<&Row> = None;
    let mut lines = Vec::new();
    for row in table {
        let mut line = cells(row, 2);
        let shared = above.map_or(0, |above| {
            let mine = [&row.task, &row.language, &row.metric, &row.model];
            let theirs = [&above.task, &above.language, &above.metric, &above.model];
            mine.iter().zip(&theirs).take_while(|(mine, theirs)| mine == theirs).count()
        });
        line[..shared].iter_mut().for_each(String::clear);
        lines.push(line);
        above = Some(row);
    }
    let sides = HEADINGS.map(|name| {
        let is_number = matches!(name, "mean" | "sd" | "seeds" | "chance");
        (name, if is_number { Side::Right } else { Side::Left })
    });
    aligned(&sides, &lines)
}
