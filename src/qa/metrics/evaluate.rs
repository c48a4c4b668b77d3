//! From predictions to means.
//!
//! Sums and quotients are taken in the official scripts' order, because floating-point addition shows it.

use std::borrow::Cow;
use std::collections::HashSet;

use rayon::prelude::*;
use serde::Serialize;

use super::overlap::{QuestionScore, score};
use super::rules::Rules;
use crate::corpus::{QaDataset, Question};
use crate::qa::{Predictions, QaError};

/// What predictions are compared with, in the order in which the official script sums.
#[derive(Debug, Clone, Default)]
pub struct Gold<'a> {
    /// The questions.
    pub questions: Vec<GoldQuestion<'a>>,
}

/// What the prediction of one name is compared with.
#[derive(Debug, Clone)]
pub struct GoldQuestion<'a> {
    /// The name under which its prediction is filed.
    pub id: Cow<'a, str>,
    /// The accepted answers.
    pub answers: Vec<&'a str>,
}

impl<'a> From<&'a QaDataset> for Gold<'a> {
    fn from(dataset: &'a QaDataset) -> Self {
        let question = |question: &'a Question| GoldQuestion {
            id: question.id.as_str().into(),
            answers: question.answers.iter().map(|answer| answer.text.as_str()).collect(),
        };
        Self { questions: dataset.questions.iter().map(question).collect() }
    }
}

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

impl Scores {
    /// The means of `questions`; none if there are none.
    pub fn of<'a>(questions: impl IntoIterator<Item = &'a QuestionScore>) -> Option<Self> {
        let (mut total, mut matches, mut f1) = (0, 0, 0.0);
        // In order: a parallel sum would round differently.
        for question in questions {
            total += 1;
            matches += usize::from(question.exact_match);
            f1 += question.f1;
        }
        let percent = |sum: f64| 100.0 * sum / total as f64;
        (total > 0).then(|| Self { exact_match: percent(matches as f64), f1: percent(f1), total })
    }
}

/// What the predictions of a data set are worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The means over the questions that were not left out.
    pub scores: Scores,
    /// Each question's score, in the gold answers' order: zero where no prediction was given, none where the
    /// question was left out.
    pub questions: Vec<Option<QuestionScore>>,
    /// For how many questions no prediction was given, of those that were not left out.
    pub unanswered: usize,
    /// How many predictions name no question at all; the official scripts pass over them.
    pub unknown: usize,
}

impl Evaluation {
    /// How many questions were left out.
    pub fn left_out(&self) -> usize {
        self.questions.len() - self.scores.total
    }
}

/// Scores `predictions` against `gold` by `rules`. Questions in `left_out` count for nothing.
///
/// # Errors
/// [`QaError::NoQuestions`] where none is left; [`QaError::NoGoldAnswer`] for a prediction whose
/// question has no gold answer. The official scripts stop at both.
pub fn evaluate(
    rules: Rules,
    gold: &Gold,
    predictions: &Predictions,
    left_out: &HashSet<String>,
) -> Result<Evaluation, QaError> {
    let counts = |question: &GoldQuestion| !left_out.contains(question.id.as_ref());
    let questions: Vec<Option<QuestionScore>> = gold
        .questions
        .par_iter()
        .map(|question| match predictions.get(&question.id) {
            _ if !counts(question) => Ok(None),
            None => Ok(Some(QuestionScore::default())),
            Some(_) if question.answers.is_empty() => {
                Err(QaError::NoGoldAnswer { id: question.id.clone().into_owned() })
            }
            Some(prediction) => Ok(Some(score(rules, prediction, question.answers.iter().copied()))),
        })
        .collect::<Result<_, _>>()?;
    let scores = Scores::of(questions.iter().flatten()).ok_or(QaError::NoQuestions)?;
    let is_unanswered =
        |question: &&GoldQuestion| counts(question) && predictions.get(&question.id).is_none();
    let unanswered = gold.questions.iter().filter(is_unanswered).count();
    let known: HashSet<&str> = gold.questions.iter().map(|question| question.id.as_ref()).collect();
    let unknown = predictions.iter().filter(|(id, _)| !known.contains(id)).count();
    Ok(Evaluation { scores, questions, unanswered, unknown })
}
