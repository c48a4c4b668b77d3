//! TyDi QA's gold passages: SQuAD's scores for each language, and their mean over all but English, which is
//! the number that its rules ask for.

use std::collections::BTreeMap;
use std::fmt;

use super::evaluate::{Evaluation, Scores};
use super::overlap::QuestionScore;
use super::printed::as_python_prints;
use crate::corpus::QaDataset;
use crate::corpus::tydiqa::Language;

/// The scores of a file of several languages.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Over all questions.
    pub all: Scores,
    /// Of each language that has a question.
    pub by_language: BTreeMap<Language, Scores>,
}

impl Report {
    /// What came of the questions of `dataset`, by language.
    pub fn of(dataset: &QaDataset, evaluation: &Evaluation) -> Self {
        let mut scores: BTreeMap<Language, Vec<QuestionScore>> = BTreeMap::new();
        for (question, score) in dataset.questions.iter().zip(&evaluation.questions) {
            if let (Some(language), Some(score)) = (Language::of_id(&question.id), score) {
                scores.entry(language).or_default().push(*score);
            }
        }
        let mean = |(language, scores): (Language, Vec<_>)| Some((language, Scores::of(&scores)?));
        Self { all: evaluation.scores, by_language: scores.into_iter().filter_map(mean).collect() }
    }

    /// Exact match and F1 in the mean over the languages but English, each with the same weight; none where
    /// there is no other language.
    pub fn outside_english(&self) -> Option<(f64, f64)> {
        let others: Vec<&Scores> = self
            .by_language
            .iter()
            .filter(|(language, _)| **language != Language::English)
            .map(|(_, s)| s)
            .collect();
        let mean = |number: fn(&Scores) -> f64| {
            others.iter().map(|scores| number(scores)).sum::<f64>() / others.len() as f64
        };
        (!others.is_empty()).then(|| (mean(|scores| scores.exact_match), mean(|scores| scores.f1)))
    }
}

/// One JSON object: the scores over all, those of each language and the mean.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.to_string();
        write!(f, "{}, \"outside_english\": ", all.trim_end_matches('}'))?;
        match self.outside_english() {
            None => write!(f, "null")?,
            Some((exact_match, f1)) => {
                let (exact_match, f1) = (as_python_prints(exact_match), as_python_prints(f1));
                write!(f, r#"{{"exact_match": {exact_match}, "f1": {f1}}}"#)?;
            }
        }
        let languages: Vec<String> =
            self.by_language.iter().map(|(language, scores)| format!("\"{language}\": {scores}")).collect();
        write!(f, ", \"by_language\": {{{}}}}}", languages.join(", "))
    }
}
