//! By what a paragraph of one file is known in another: its words, runs of white space counting as one
//! space, or the id of a question about it, which translations and edited copies keep. A part of a paragraph
//! is not known.

use std::collections::HashSet;

use super::qa::{QaDataset, collapsed};

/// The paragraphs of a data set, to be found again in another one.
pub(super) struct Paragraphs {
    texts: HashSet<String>,
    ids: HashSet<String>,
}

impl Paragraphs {
    /// Those that the questions of `dataset` are about.
    pub fn of(dataset: &QaDataset) -> Self {
        let texts = dataset.questions.iter().map(|question| dataset.context_of(question));
        let texts: HashSet<&str> = texts.collect();
        Self {
            texts: texts.into_iter().map(collapsed).collect(),
            ids: dataset.questions.iter().map(|question| question.id.clone()).collect(),
        }
    }

    /// How many different ones there are.
    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// Whether the paragraph `context`, about which the questions `ids` are asked, is among them.
    pub fn has<'q>(&self, context: &str, mut ids: impl Iterator<Item = &'q str>) -> bool {
        self.texts.contains(&collapsed(context)) || ids.any(|id| self.ids.contains(id))
    }
}
