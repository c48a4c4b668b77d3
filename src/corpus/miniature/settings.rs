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
    /// Documents of MLQA's development set, each told and asked about in every language of it.
    pub mlqa_dev_documents: usize,
    /// Documents of its test set.
    pub mlqa_test_documents: usize,
    /// Training questions of TyDi QA, each about a document of its own, all languages together.
    pub tydiqa_train_questions: usize,
    /// Development questions of TyDi QA.
    pub tydiqa_dev_questions: usize,
    /// Training questions of TriviaQA, each with two documents of its own.
    pub triviaqa_train_questions: usize,
    /// Development questions of TriviaQA. Every second one is in the verified set.
    pub triviaqa_dev_questions: usize,
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
            mlqa_dev_documents: 6,
            mlqa_test_documents: 20,
            tydiqa_train_questions: 300,
            tydiqa_dev_questions: 90,
            triviaqa_train_questions: 300,
            triviaqa_dev_questions: 60,
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
            ("mlqa_dev_documents", self.mlqa_dev_documents),
            ("mlqa_test_documents", self.mlqa_test_documents),
            ("tydiqa_train_questions", self.tydiqa_train_questions),
            ("tydiqa_dev_questions", self.tydiqa_dev_questions),
            ("triviaqa_train_questions", self.triviaqa_train_questions),
            ("triviaqa_dev_questions", self.triviaqa_dev_questions),
            ("questions_per_document", self.questions_per_document),
            ("question_languages", self.question_languages.len()),
        ] {
            if found == 0 {
                return refuse(key, "at least 1", found);
            }
        }
        // TriviaQA's second document goes without the person and the place that are asked for.
        if self.min_facts < self.questions_per_document.max(3) {
            return refuse("min_facts", "at least questions_per_document, and at least 3", self.min_facts);
        }
        if !(self.min_facts..=NAMES).contains(&self.max_facts) {
            return refuse("max_facts", "min_facts or more, and at most 20", self.max_facts);
        }
        Ok(())
    }
}
