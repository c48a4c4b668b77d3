//! How large the miniature is and which languages it asks in.

use serde::{Deserialize, Serialize};

use super::language::{Language, NAMES};
use crate::corpus::CorpusError;

/// Sizes of the miniature. The defaults give documents of roughly 180 to 400 tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MiniatureSettings {
    /// Articles of the training text, all languages together.
    pub wiki_train_articles: usize,
    /// Articles of the validation text, all languages together.
    pub wiki_valid_articles: usize,
    /// Documents of the training questions, all training languages together.
    pub train_documents: usize,
    /// Documents of the development questions, all training languages together.
    pub dev_documents: usize,
    /// Documents told in every language, for evaluation alone.
    pub parallel_documents: usize,
    /// The fewest facts of a document.
    pub min_facts: usize,
    /// The most facts of a document, at most 20.
    pub max_facts: usize,
    /// Questions of each document, spread evenly over its length.
    pub questions_per_document: usize,
    /// The languages of the training and development questions. The text is in all of them. English alone
    /// by default, as in the work that is reproduced: the other languages show what transfers.
    pub question_languages: Vec<Language>,
}

impl Default for MiniatureSettings {
    fn default() -> Self {
        Self {
            wiki_train_articles: 1200,
            wiki_valid_articles: 48,
            train_documents: 600,
            dev_documents: 90,
            parallel_documents: 40,
            min_facts: 16,
            max_facts: 18,
            questions_per_document: 5,
            question_languages: vec![Language::English],
        }
    }
}

impl MiniatureSettings {
    /// Refuses sizes that cannot be made.
    ///
    /// # Errors
    /// [`CorpusError::Setting`], naming the key.
    pub fn validate(&self) -> Result<(), CorpusError> {
        let refuse = |key, expected, found: usize| {
            Err(CorpusError::Setting { key, expected, found: found.to_string() })
        };
        for (key, found) in [
            ("wiki_train_articles", self.wiki_train_articles),
            ("wiki_valid_articles", self.wiki_valid_articles),
            ("train_documents", self.train_documents),
            ("dev_documents", self.dev_documents),
            ("parallel_documents", self.parallel_documents),
            ("questions_per_document", self.questions_per_document),
            ("question_languages", self.question_languages.len()),
        ] {
            if found == 0 {
                return refuse(key, "at least 1", found);
            }
        }
        if self.min_facts < self.questions_per_document {
            return refuse("min_facts", "at least questions_per_document", self.min_facts);
        }
        if !(self.min_facts..=NAMES).contains(&self.max_facts) {
            return refuse("max_facts", "min_facts or more, and at most 20", self.max_facts);
        }
        Ok(())
    }
}
