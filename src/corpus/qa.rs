//! A question-answering data set as records: contexts, and questions that point into them. What
//! every reader of a question-answering file gives back, and what windows and scoring are given.

use std::collections::HashMap;

/// A question-answering data set in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QaDataset {
    /// The texts that questions are asked about, one for each paragraph of the file.
    pub contexts: Vec<String>,
    /// The questions, in file order.
    pub questions: Vec<Question>,
}

/// A question about one context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name under which predictions are filed; no two questions of a data set share it.
    pub id: String,
    /// The question as it was asked.
    pub text: String,
    /// Index into [`QaDataset::contexts`].
    pub context: usize,
    /// The accepted answers in file order; none in unlabelled data.
    pub answers: Vec<Answer>,
}

/// An accepted answer: a stretch of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer as the file spells it.
    pub text: String,
    /// Where it begins in the context, in characters (Unicode scalar values).
    pub start: usize,
}

impl QaDataset {
    /// The text that `question` is asked about; empty if `question` belongs to another data set.
    pub fn context_of(&self, question: &Question) -> &str {
        self.contexts.get(question.context).map_or("", String::as_str)
    }

    /// The questions that `keep` holds for, and the contexts that they are about.
    pub fn only(&self, keep: impl Fn(&Question) -> bool) -> Self {
        let mut kept = Self::default();
        let mut places = HashMap::new();
        for question in self.questions.iter().filter(|question| keep(question)) {
            let context = *places.entry(question.context).or_insert_with(|| {
                kept.contexts.push(self.context_of(question).to_owned());
                kept.contexts.len() - 1
            });
            kept.questions.push(Question { context, ..question.clone() });
        }
        kept
    }
}

impl Answer {
    /// One past the answer's last character, in characters of the context.
    pub fn end(&self) -> usize {
        self.start + self.text.chars().count()
    }
}

/// `text` with each run of white space as one space, and none at its ends: what two contexts are compared
/// by, so that a reformatted copy is known for one.
pub(super) fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
