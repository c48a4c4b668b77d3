//! Paragraphs that two data sets share: a model that was trained on a text is no stranger to questions
//! about it.
//!
//! Paragraphs are the same if their words are: runs of white space count as one space, and nothing else
//! is changed. A paragraph that is a part of another one, or a translation of it, is not found.

use std::collections::HashSet;

use serde::Serialize;

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
        let trained: HashSet<String> = paragraphs(training).collect();
        let mut evaluated = HashSet::new();
        let (mut shared, mut first) = (0, None);
        for paragraph in paragraphs(evaluation) {
            if evaluated.contains(&paragraph) {
                continue;
            }
            if trained.contains(&paragraph) {
                shared += 1;
                first.get_or_insert_with(|| paragraph.chars().take(OPENING).collect());
            }
            evaluated.insert(paragraph);
        }
        Self { training: trained.len(), evaluation: evaluated.len(), shared, first }
    }
}

/// The context of each run of questions, its words one space apart.
fn paragraphs(dataset: &QaDataset) -> impl Iterator<Item = String> {
    let runs = dataset.questions.chunk_by(|one, next| one.context == next.context);
    let contexts = runs.filter_map(|run| run.first()).map(|question| dataset.context_of(question));
    contexts.map(collapsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Question;

    /// Two questions about each context; about those that start with `-` none.
    fn dataset(contexts: &[&str]) -> QaDataset {
        let question = |context| Question {
            id: format!("{context}"),
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
        let training = dataset(&["one  two\n", "three", "four", "three", "-no question"]);
        let evaluation = dataset(&["five", " three", "one two", "three", "-no question", "One two"]);
        let first = Some("three".to_owned());
        let expected = Overlap { training: 3, evaluation: 4, shared: 2, first };
        assert_eq!(Overlap::between(&training, &evaluation), expected);
    }

    #[test]
    fn what_shares_nothing_has_no_first() {
        let found = Overlap::between(&dataset(&["one"]), &dataset(&["one two", "on"]));
        assert_eq!(found, Overlap { training: 1, evaluation: 2, shared: 0, first: None });
    }

    #[test]
    fn a_long_paragraph_is_known_by_its_opening() {
        let long = dataset(&["é".repeat(100).as_str()]);
        assert_eq!(Overlap::between(&long, &long).first, Some("é".repeat(60)));
    }
}
