//! TriviaQA as triviaqa_evaluation scores it: predictions by question for Wikipedia and by question and
//! document for the web, against all of the answer's names.

use std::collections::HashSet;
use std::fmt;

use super::evaluate::{Evaluation, Gold, GoldQuestion};
use super::printed::as_python_prints;
use super::words::{ENGLISH_ARTICLES, words};
use crate::corpus::triviaqa::{Domain, TriviaAnswer, TriviaQa};

/// What the script takes for punctuation beside ASCII's.
const QUOTATION_MARKS: [char; 3] = ['‘', '’', '´'];

/// The normalized answer: underscores to spaces, lower case, punctuation to spaces, without the words *a*,
/// *an* and *the*, single spaces, in the script's order. Punctuation therefore parts what it stood
/// between: `don't` becomes `don t`.
pub(super) fn normalize(answer: &str) -> String {
    let lower = answer.replace('_', " ").to_lowercase();
    let bare = lower.replace(|c: char| c.is_ascii_punctuation() || QUOTATION_MARKS.contains(&c), " ");
    words(&bare, &ENGLISH_ARTICLES, |_| false)
}

/// The questions of a file under the keys of its domain, each with the normalized aliases and the answers that
/// people gave. A document that is named as a page of Wikipedia and as one of the web has one key.
impl<'a> From<&'a TriviaQa> for Gold<'a> {
    fn from(file: &'a TriviaQa) -> Self {
        let mut questions = Vec::new();
        for question in &file.questions {
            let answers: Vec<&str> = question.answer.as_ref().map_or_else(Vec::new, names);
            match file.domain {
                Domain::Wikipedia => {
                    questions.push(GoldQuestion { id: question.id.as_str().into(), answers })
                }
                Domain::Web => {
                    let mut seen = HashSet::new();
                    let documents =
                        question.documents.iter().filter(|document| seen.insert(&document.file_name));
                    questions.extend(documents.map(|document| GoldQuestion {
                        id: question.document_key(document).into(),
                        answers: answers.clone(),
                    }));
                }
            }
        }
        Self { questions }
    }
}

fn names(answer: &TriviaAnswer) -> Vec<&str> {
    answer.normalized_aliases.iter().chain(&answer.human_answers).map(String::as_str).collect()
}

/// The numbers that the script prints, under its names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// The share of keys whose prediction equals one of the answer's names, in percent.
    pub exact_match: f64,
    /// The mean F1, in percent.
    pub f1: f64,
    /// How many keys have a prediction.
    pub common: usize,
    /// By how many the sums are divided.
    pub denominator: usize,
    /// How many predictions were given.
    pub pred_len: usize,
    /// How many keys there are.
    pub gold_len: usize,
}

impl Report {
    /// The script's numbers for what came of `predictions` predictions.
    pub fn of(evaluation: &Evaluation, predictions: usize) -> Self {
        let scores = evaluation.scores;
        Self {
            exact_match: scores.exact_match,
            f1: scores.f1,
            common: scores.total - evaluation.unanswered,
            denominator: scores.total,
            pred_len: predictions,
            gold_len: evaluation.questions.len(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exact_match, f1) = (as_python_prints(self.exact_match), as_python_prints(self.f1));
        let Self { common, denominator, pred_len, gold_len, .. } = self;
        write!(
            f,
            "{{\"exact_match\": {exact_match}, \"f1\": {f1}, \"common\": {common}, \
             \"denominator\": {denominator}, \"pred_len\": {pred_len}, \"gold_len\": {gold_len}}}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_parts_what_it_stood_between() {
        for (answer, expected) in [
            ("The_Norman dukes!", "norman dukes"),
            ("don't", "don t"),
            ("don’t ‘a´ `the`", "don t"),
            ("a-the b", "b"),
            ("“a”", "“ ”"),
            ("ΑΣ_Α ΑΣ.Α", "ας α ασ α"),
            ("", ""),
        ] {
            assert_eq!(normalize(answer), expected, "{answer:?}");
        }
    }
}
