//! Bits per character before and after pretraining.
//!
//! The number is loss / ln 2 per token, as the Longformer paper names it, so it depends on text and
//! tokenizer: each corpus has a column of its own, and numbers of different columns do not compare.

use super::ReportError;
use super::aligned::{Side, aligned, number};
use super::published::Published;
use super::table::{OURS, distinct};
use crate::experiment::outcome;
use crate::experiment::{Plan, Store};

/// One evaluation, ours or published.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The model.
    pub model: String,
    /// Whose number it is.
    pub source: String,
    /// How it was obtained: which part of the text, tokens per block.
    pub protocol: String,
    /// Optimizer steps before it, where known.
    pub step: Option<u64>,
    /// The text.
    pub corpus: String,
    /// Bits per character; none if it was not run.
    pub bits: Option<f64>,
    /// The stage that measured it.
    pub stage: String,
}

/// First and last evaluation of each pretraining of `plan`, then the published numbers on the same
/// texts.
pub fn collect(plan: &Plan, store: &Store, published: &[Published]) -> Result<Vec<Row>, ReportError> {
    let mut rows = Vec::new();
    for pretraining in &plan.pretrainings {
        let stage = &plan.stages[pretraining.stage];
        let row = |step: Option<u64>, bits| Row {
            model: pretraining.model.clone(),
            source: OURS.to_owned(),
            protocol: format!("blocks of {}", pretraining.max_length),
            step,
            corpus: pretraining.corpus.clone(),
            bits,
            stage: stage.key.to_string(),
        };
        if store.finished(stage)?.is_none() {
            rows.push(row(None, None));
            continue;
        }
        let folder = store.output(stage);
        let read = outcome::read_pretraining(&folder)
            .map_err(|source| ReportError::Outcome { folder: folder.clone(), source })?;
        let ends = [read.evaluations.first(), read.evaluations.last()];
        let ends = distinct(ends.into_iter().flatten().copied());
        rows.extend(ends.into_iter().map(|end| row(Some(end.step), Some(end.bits_per_character))));
    }
    for corpus in corpora(&rows) {
        let here = |number: &&Published| number.metric == "bits_per_character" && number.task == corpus;
        rows.extend(published.iter().filter(here).map(|number| Row {
            model: number.model.clone(),
            source: number.source.clone(),
            protocol: number.protocol(),
            step: None,
            corpus: corpus.clone(),
            bits: Some(number.value),
            stage: String::new(),
        }));
    }
    Ok(rows)
}

fn corpora(rows: &[Row]) -> Vec<String> {
    distinct(rows.iter().map(|row| row.corpus.clone()))
}

/// The headings of `pretraining.csv`.
pub fn headings(rows: &[Row]) -> Vec<String> {
    let mut headings: Vec<String> = ["model", "source", "protocol", "step"].map(str::to_owned).into();
    headings.extend(corpora(rows).into_iter().map(|corpus| format!("bits_per_character on {corpus}")));
    headings.push("pretrain".to_owned());
    headings
}

/// The rows of `pretraining.csv`.
pub fn rows(all: &[Row]) -> Vec<Vec<String>> {
    all.iter()
        .map(|row| {
            let mut line = cells(row, &corpora(all), 4);
            line.push(row.stage.clone());
            line
        })
        .collect()
}

fn cells(row: &Row, corpora: &[String], decimals: usize) -> Vec<String> {
    let step = row.step.map(|step| step.to_string()).unwrap_or_default();
    let mut cells = vec![row.model.clone(), row.source.clone(), row.protocol.clone(), step];
    let bits =
        |corpus: &String| if *corpus == row.corpus { number(row.bits, decimals) } else { String::new() };
    cells.extend(corpora.iter().map(bits));
    cells
}

/// The same for people.
pub fn text(all: &[Row]) -> String {
    let names = headings(all);
    let names = &names[..names.len() - 1];
    let side = |at: usize| if at < 3 { Side::Left } else { Side::Right };
    let sides: Vec<_> = names.iter().enumerate().map(|(at, name)| (name.as_str(), side(at))).collect();
    let lines: Vec<_> = all.iter().map(|row| cells(row, &corpora(all), 3)).collect();
    aligned(&sides, &lines)
}
