//! What stages leave for the tables: scores, each question's score, the course of a pretraining.

use std::fs;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::{self, WriteError};

const SCORES: &str = "scores.json";
const QUESTIONS: &str = "questions.csv";
const PRETRAINING: &str = "pretraining.json";

/// The scores of one set of predictions, in percent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreOutcome {
    /// Share of questions answered exactly.
    pub exact_match: f64,
    /// Mean F1 of token counts.
    pub f1: f64,
    /// Questions.
    pub total: usize,
    /// Questions that the protocol leaves out; they are not among `total`.
    pub left_out: usize,
    /// What guessing gives, where it is known which spans there are to guess among.
    pub chance: Option<Chance>,
}

/// Expected scores of a random span of the right kind, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// Share of questions answered exactly.
    pub exact_match: f64,
    /// Mean F1 of token counts.
    pub f1: f64,
}

/// One question's score, and where in its document the answer stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionOutcome {
    /// The question.
    pub id: String,
    /// 1 if answered exactly, else 0.
    pub exact_match: u8,
    /// F1 of token counts, from 0 to 1.
    pub f1: f64,
    /// Characters before the first gold answer; none where it has no one place.
    pub answer_start: Option<usize>,
    /// Characters of the document; none where a question has several.
    pub context_length: Option<usize>,
}

impl QuestionOutcome {
    /// Where the answer begins, from 0 (the document's start) to below 1.
    pub fn depth(&self) -> Option<f64> {
        Some(self.answer_start? as f64 / self.context_length?.max(1) as f64)
    }
}

/// The evaluations of a pretraining, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainOutcome {
    /// Before the first step, along the way, after the last step.
    pub evaluations: Vec<Evaluation>,
}

/// One evaluation on held-out text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Optimizer steps done.
    pub step: u64,
    /// Mean loss over masked tokens, divided by ln 2.
    pub bits_per_character: f64,
}

/// Writes what a score stage leaves into its output folder.
pub fn write_scores(
    folder: &Path,
    scores: &ScoreOutcome,
    questions: &[QuestionOutcome],
) -> Result<(), WriteError> {
    write_json(&folder.join(SCORES), scores)?;
    durable::write_with(&folder.join(QUESTIONS), |file| {
        let mut writer = csv::Writer::from_writer(file);
        questions.iter().try_for_each(|question| writer.serialize(question))?;
        writer.flush()
    })
}

/// The scores in the output folder of a score stage.
pub fn read_scores(folder: &Path) -> io::Result<ScoreOutcome> {
    read_json(&folder.join(SCORES))
}

/// Each question's score in the output folder of a score stage.
pub fn read_questions(folder: &Path) -> io::Result<Vec<QuestionOutcome>> {
    let mut reader = csv::Reader::from_path(folder.join(QUESTIONS))?;
    Ok(reader.deserialize().collect::<Result<_, _>>()?)
}

/// Writes what a pretrain stage leaves into its output folder, besides the model.
pub fn write_pretraining(folder: &Path, outcome: &PretrainOutcome) -> Result<(), WriteError> {
    write_json(&folder.join(PRETRAINING), outcome)
}

/// The evaluations in the output folder of a pretrain stage.
pub fn read_pretraining(folder: &Path) -> io::Result<PretrainOutcome> {
    read_json(&folder.join(PRETRAINING))
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), WriteError> {
    durable::write_with(path, |file| Ok(serde_json::to_writer_pretty(file, value)?))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let chance = Some(Chance { exact_match: 4.0, f1: 20.5 });
        let scores = ScoreOutcome { exact_match: 100.0 / 3.0, f1: 0.1, total: 3, left_out: 2, chance };
        let question = QuestionOutcome {
            id: "a,\"b\"".into(),
            exact_match: 1,
            f1: 2.0 / 3.0,
            answer_start: Some(30),
            context_length: Some(120),
        };
        write_scores(folder.path(), &scores, std::slice::from_ref(&question)).unwrap();
        assert_eq!(read_scores(folder.path()).unwrap(), scores);
        assert_eq!(question.depth(), Some(0.25));
        assert_eq!(read_questions(folder.path()).unwrap(), [question]);
        let pretraining =
            PretrainOutcome { evaluations: vec![Evaluation { step: 0, bits_per_character: 2.5 }] };
        write_pretraining(folder.path(), &pretraining).unwrap();
        assert_eq!(read_pretraining(folder.path()).unwrap(), pretraining);
    }
}
