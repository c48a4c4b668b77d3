//! Exact match by the depth of the answer: does a model find what stands late in a document as well
//! as what stands early?

use super::aligned::{Side, aligned, number};
use super::runs::Run;
use super::statistics::Summary;
use super::table::distinct;
use crate::experiment::outcome::QuestionOutcome;

/// Documents are divided into this many parts of equal length.
pub const PARTS: usize = 10;

/// The answers that begin in one part of their documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The task's name in the experiment file.
    pub task: String,
    /// The language of the questions.
    pub language: String,
    /// The model's name in the experiment file.
    pub model: String,
    /// How it was run.
    pub protocol: String,
    /// Which part, from 0.
    pub part: usize,
    /// Questions with their answer there.
    pub questions: usize,
    /// Exact match over seeds, in percent; none without questions or runs.
    pub exact_match: Option<Summary>,
    /// F1 over seeds, in percent.
    pub f1: Option<Summary>,
}

/// The rows of all finished runs, part by part.
pub fn rows_of(runs: &[Run]) -> Vec<Row> {
    let finished: Vec<&Run> = runs.iter().filter(|run| run.scores.is_some()).collect();
    let name = |run: &Run| (run.cell.task.clone(), run.cell.language.clone(), run.cell.model.clone());
    let mut rows = Vec::new();
    for group in distinct(finished.iter().map(|run| name(run))) {
        let same: Vec<&Run> = finished.iter().copied().filter(|run| name(run) == group).collect();
        let (task, language, model) = group;
        for part in 0..PARTS {
            let there = |run: &Run| -> Vec<QuestionOutcome> {
                run.questions.iter().filter(|question| part_of(question) == Some(part)).cloned().collect()
            };
            let questions = same.first().map_or(0, |run| there(run).len());
            let over_seeds = |value: fn(&QuestionOutcome) -> f64| {
                let means = same.iter().filter_map(|run| {
                    let values: Vec<f64> =
                        there(run).iter().map(|question| 100.0 * value(question)).collect();
                    Some(Summary::of(&values)?.mean)
                });
                Summary::of(&means.collect::<Vec<_>>())
            };
            rows.push(Row {
                task: task.clone(),
                language: language.clone(),
                model: model.clone(),
                protocol: same.first().map(|run| run.cell.protocol.clone()).unwrap_or_default(),
                part,
                questions,
                exact_match: over_seeds(|question| f64::from(question.exact_match)),
                f1: over_seeds(|question| question.f1),
            });
        }
    }
    rows
}

fn part_of(question: &QuestionOutcome) -> Option<usize> {
    question.depth().map(|depth| ((depth * PARTS as f64) as usize).min(PARTS - 1))
}

/// The headings of `depth.csv`; depths are shares of the document's characters.
pub const HEADINGS: [&str; 12] = [
    "task",
    "language",
    "model",
    "protocol",
    "depth_from",
    "depth_to",
    "questions",
    "seeds",
    "exact_match",
    "exact_match_sd",
    "f1",
    "f1_sd",
];

/// The rows of `depth.csv`.
pub fn rows(depths: &[Row]) -> Vec<Vec<String>> {
    let row = |row: &Row| {
        let edge = |part: usize| format!("{:.1}", part as f64 / PARTS as f64);
        let mut cells = vec![row.task.clone(), row.language.clone(), row.model.clone(), row.protocol.clone()];
        cells.extend([edge(row.part), edge(row.part + 1), row.questions.to_string()]);
        cells.push(row.exact_match.map(|summary| summary.count.to_string()).unwrap_or_default());
        for summary in [row.exact_match, row.f1] {
            cells.push(number(summary.map(|summary| summary.mean), 4));
            cells.push(number(summary.and_then(|summary| summary.sd), 4));
        }
        cells
    };
    depths.iter().map(row).collect()
}

/// Mean exact match for people: a line for each model and task, a column for each part.
pub fn text(depths: &[Row]) -> String {
    let edges: Vec<String> = (1..=PARTS).map(|part| format!("–{}%", 100 * part / PARTS)).collect();
    let mut headings = vec![("task", Side::Left), ("language", Side::Left), ("model", Side::Left)];
    headings.extend(edges.iter().map(|edge| (edge.as_str(), Side::Right)));
    let lines: Vec<Vec<String>> = depths
        .chunks(PARTS)
        .filter_map(|parts| {
            let first = parts.first()?;
            let mut line = vec![first.task.clone(), first.language.clone(), first.model.clone()];
            line.extend(parts.iter().map(|part| number(part.exact_match.map(|summary| summary.mean), 1)));
            Some(line)
        })
        .collect();
    aligned(&headings, &lines)
}
