//! Whose official script is followed.

use std::path::Path;

use super::{mlqa, squad, triviaqa};
use crate::corpus::mlqa::{Language, Pair};
use crate::corpus::{CorpusError, Reading, Task};

/// The rules by which answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// SQuAD's evaluate-v1.1, which XQuAD, TyDi QA's gold passages and the tasks of joined contexts use too.
    Squad,
    /// MLQA's mlqa_evaluation_v1, for answers in a language.
    Mlqa(Language),
    /// TriviaQA's triviaqa_evaluation.
    TriviaQa,
}

impl Rules {
    /// The rules for questions that are read so from the file `gold`. Of MLQA's two languages that of the
    /// contexts counts, since answers stand in it.
    ///
    /// # Errors
    /// Those of [`Pair::of_file`].
    pub fn of(reading: &Reading, gold: &Path) -> Result<Self, CorpusError> {
        Ok(match reading.task {
            Task::Squad | Task::Sq3 | Task::Xquad | Task::Xq3 | Task::TydiQa => Self::Squad,
            Task::Mlqa => {
                let (question, context) = (reading.language.as_deref(), reading.context_language.as_deref());
                Self::Mlqa(Pair::of_file(gold, question, context)?.context)
            }
            Task::TriviaQa => Self::TriviaQa,
        })
    }

    /// What is left of an answer that is compared: words, one space between two.
    pub fn normalize(self, answer: &str) -> String {
        match self {
            Self::Squad => squad::normalize(answer),
            Self::Mlqa(language) => mlqa::normalize(answer, language),
            Self::TriviaQa => triviaqa::normalize(answer),
        }
    }
}
