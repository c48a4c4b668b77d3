//! From a question and its context to a row of a batch: which tokens get global attention.

use serde::{Deserialize, Serialize};

use super::{Config, Sequence};
use crate::text::TokenId;

/// How a long model attends while it is fine-tuned and used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Attention {
    /// A sliding window, and global attention of the question (Beltagy et al. 2020). A model without
    /// windows attends to everything.
    #[default]
    #[serde(rename = "sliding-window+global")]
    SlidingWindowGlobal,
    /// Full attention through the local projections; the global ones are dropped. What
    /// `RobertaForQuestionAnswering` does with a long model's weights.
    #[serde(rename = "dense")]
    Dense,
}

/// Which tokens of a question and its context are global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlobalPolicy {
    /// None: the model attends to every token from every token.
    Nothing,
    /// `<s>` and the question, everything before the first `</s>`, as in transformers'
    /// `LongformerForQuestionAnswering`.
    Question,
}

impl GlobalPolicy {
    /// The policy of a model: long models need the question to be seen from everywhere.
    pub fn of(config: &Config) -> Self {
        if config.attention_window.is_some() { GlobalPolicy::Question } else { GlobalPolicy::Nothing }
    }

    /// The tokens as the model takes them; the first `question_end` of them are `<s>` and the question.
    pub fn row(self, input_ids: &[TokenId], question_end: usize) -> Sequence {
        let global = match self {
            GlobalPolicy::Nothing => Vec::new(),
            GlobalPolicy::Question => (0..question_end).collect(),
        };
        Sequence { input_ids: input_ids.iter().map(|&id| id.into()).collect(), global }
    }
}
