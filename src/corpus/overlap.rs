//! Paragraphs that two data sets share: a model that was trained on a text is no stranger to questions
//! about it. Which ones are the same is said in `paragraphs.rs`.

use std::collections::HashSet;

use serde::Serialize;

use super::paragraphs::Paragraphs;
use super::qa::{QaDataset, collapsed};

/// Characters of a paragraph that say which one it is.
const OPENING: usize = 60;

/// How many different paragraphs two data sets have questions about, and how many of them are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// Paragraphs of the training questions.
    pub training: usize,
    /// Paragraphs of the evaluation questions.
    pub evaluation: usize,
    /// Those of the evaluation that are among those of the training.
    pub shared: usize,
    /// How the first of them begins, in the order of the evaluation.
    pub first: Option<String>,
}

impl Overlap {
    /// Compares the paragraphs that the questions of each are about.
    pub fn between(training: &QaDataset, evaluation: &QaDataset) -> Self {
        let trained = Paragraphs::of(training);
        let (mut evaluated, mut shared) = (HashSet::new(), HashSet::new());
        let mut first = None;
        for run in evaluation.questions.chunk_by(|one, next| one.context == next.context) {
            let text = collapsed(run.first().map_or("", |question| evaluation.context_of(question)));
            if trained.has(&text, run.iter().map(|question| question.id.as_str())) {
                first.get_or_insert_with(|| text.chars().take(OPENING).collect());
                shared.insert(text.clone());
            }
            evaluated.insert(text);
        }
        Self { training: trained.count(), evaluation: evaluated.len(), shared: shared.len(), first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Question;

    /// Two questions about each context, whose ids begin with `name`; about those that start with `-` none.
    fn dataset(name: &str, contexts: &[&str]) -> QaDataset {
        let question = |context| Question {
            id: format!("{name}-{context}"),
            text: "?".to_owned(),
            context,
            answers: Vec::new(),
        };
        let asked = (0..contexts.len()).filter(|at| !contexts[*at].starts_with('-'));
        QaDataset {
            contexts: contexts.iter().map(|context| (*context).to_owned()).collect(),
            questions: asked.flat_map(|at| [question(at), question(at)]).collect(),
        }
    }

    #[test]
    fn paragraphs_are_compared_by_their_words_and_counted_once() {
        let training = dataset("train", &["one  two\n", "three", "four", "three", "-no question"]);
        let evaluation = dataset("dev", &["five", " three", "one two", "three", "-no question", "One two"]);
        let first = Some("three".to_owned());
        let expected = Overlap { training: 3, evaluation: 4, shared: 2, first };
        assert_eq!(Overlap::between(&training, &evaluation), expected);
    }

    #[test]
    fn a_translation_is_known_by_its_questions() {
        let found = Overlap::between(&dataset("same", &["one", "two"]), &dataset("same", &["un"]));
        assert_eq!(found, Overlap { training: 2, evaluation: 1, shared: 1, first: Some("un".to_owned()) });
    }

    #[test]
    fn what_shares_nothing_has_no_first() {
        let found = Overlap::between(&dataset("train", &["one"]), &dataset("dev", &["one two", "on"]));
        assert_eq!(found, Overlap { training: 1, evaluation: 2, shared: 0, first: None });
    }

    #[test]
    fn a_long_paragraph_is_known_by_its_opening() {
        let long = dataset("both", &["é".repeat(100).as_str()]);
        assert_eq!(Overlap::between(&long, &long).first, Some("é".repeat(60)));
    }
}
