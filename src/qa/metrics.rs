//! Exact match and F1 as SQuAD's evaluate-v1.1 computes them, to the last digit.
//!
//! Given a data set with gold answers and the predictions by question id; gives back each question's
//! score and the means in percent. Sums and quotients are taken in the script's order, because
//! floating-point addition shows it.

use std::collections::HashMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::QaError;
use super::normalize::normalize_answer;
use super::predictions::Predictions;
use crate::corpus::{Answer, QaDataset};

/// The official numbers. Shown as one JSON object, digits as Python prints them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// The share of questions whose prediction equals a gold answer, in percent.
    pub exact_match: f64,
    /// The mean F1 of token counts, in percent.
    pub f1: f64,
    /// The number of questions, answered or not.
    pub total: usize,
}

/// One question's score, the best over its gold answers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QuestionScore {
    /// Whether the prediction equals a gold answer after normalization.
    pub exact_match: bool,
    /// F1 of token counts, from 0 to 1.
    pub f1: f64,
}

/// What the predictions of a data set are worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The means.
    pub scores: Scores,
    /// Each question's score, in the data set's order; zero where no prediction was given.
    pub questions: Vec<QuestionScore>,
    /// How many questions no prediction was given for.
    pub unanswered: usize,
    /// How many predictions name no question of the data set; the official script passes over them.
    pub unknown: usize,
}

/// Scores `predictions` against the gold answers of `dataset`.
///
/// # Errors
/// [`QaError::NoQuestions`] for an empty data set; [`QaError::NoGoldAnswer`] for a prediction whose
/// question has no gold answer. The official script stops at both.
pub fn evaluate(dataset: &QaDataset, predictions: &Predictions) -> Result<Evaluation, QaError> {
    let total = dataset.questions.len();
    if total == 0 {
        return Err(QaError::NoQuestions);
    }
    let scored: Vec<Option<QuestionScore>> = dataset
        .questions
        .par_iter()
        .map(|question| match predictions.get(&question.id) {
            None => Ok(None),
            Some(_) if question.answers.is_empty() => Err(QaError::NoGoldAnswer { id: question.id.clone() }),
            Some(prediction) => Ok(Some(score(prediction, &question.answers))),
        })
        .collect::<Result<_, _>>()?;
    let answered = scored.iter().flatten().count();
    let matches = scored.iter().flatten().filter(|score| score.exact_match).count();
    // In order: a parallel sum would round differently.
    let f1: f64 = scored.iter().flatten().fold(0.0, |sum, score| sum + score.f1);
    let scores =
        Scores { exact_match: 100.0 * matches as f64 / total as f64, f1: 100.0 * f1 / total as f64, total };
    let questions: Vec<_> = scored.into_iter().map(Option::unwrap_or_default).collect();
    Ok(Evaluation { scores, questions, unanswered: total - answered, unknown: unknown(dataset, predictions) })
}

/// The score of one prediction: the best over `answers`, zero if there are none.
pub fn score(prediction: &str, answers: &[Answer]) -> QuestionScore {
    let prediction = normalize_answer(prediction);
    let counts = Counts::of(&prediction);
    answers.iter().fold(QuestionScore::default(), |best, answer| {
        let gold = normalize_answer(&answer.text);
        QuestionScore {
            exact_match: best.exact_match || prediction == gold,
            f1: best.f1.max(counts.f1(&Counts::of(&gold))),
        }
    })
}

fn unknown(dataset: &QaDataset, predictions: &Predictions) -> usize {
    let known: std::collections::HashSet<&str> =
        dataset.questions.iter().map(|question| question.id.as_str()).collect();
    predictions.iter().filter(|(id, _)| !known.contains(id)).count()
}

/// How often each token of a normalized answer occurs.
struct Counts<'a> {
    of: HashMap<&'a str, usize>,
    total: usize,
}

impl<'a> Counts<'a> {
    fn of(normalized: &'a str) -> Self {
        let mut counts = Self { of: HashMap::new(), total: 0 };
        // Normalized text has single spaces and no other white space.
        for token in normalized.split(' ').filter(|token| !token.is_empty()) {
            *counts.of.entry(token).or_default() += 1;
            counts.total += 1;
        }
        counts
    }

    fn f1(&self, gold: &Counts) -> f64 {
        let shared = |(token, count): (&&str, &usize)| (*count).min(gold.of.get(token).copied().unwrap_or(0));
        let same: usize = self.of.iter().map(shared).sum();
        if same == 0 {
            return 0.0;
        }
        let precision = same as f64 / self.total as f64;
        let recall = same as f64 / gold.total as f64;
        (2.0 * precision * recall) / (precision + recall)
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exact_match, f1) = (as_python_prints(self.exact_match), as_python_prints(self.f1));
        write!(f, r#"{{"exact_match": {exact_match}, "f1": {f1}, "total": {}}}"#, self.total)
    }
}

/// Python's `repr` of a finite float. Rust's `{:?}` gives the same shortest digits and switches to an
/// exponent at the same sizes; it writes that exponent as `e-5` where Python writes `e-05`.
pub fn as_python_prints(number: f64) -> String {
    let digits = format!("{number:?}");
    let Some((mantissa, exponent)) = digits.split_once('e') else { return digits };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{mantissa}e{sign}{exponent:0>2}")
}
