//! From a question and its context to a row of a batch: which tokens get global attention, and
//! which are of the second segment.

use serde::{Deserialize, Serialize};

use super::{Config, Sequence};
use crate::text::{Pairing, SpecialTokens, TokenId};

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

/// What a model is told of a question and its context beside the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionInput {
    globals: Globals,
    /// How many ends behind the question the second segment begins, for models that have one.
    second_segment: Option<usize>,
}

/// Which tokens are global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Globals {
    /// None: the model attends to every token from every token.
    Nothing,
    /// `<s>` and the question, everything before the first end, as in transformers'
    /// `LongformerForQuestionAnswering`.
    Question,
}

impl QuestionInput {
    /// For a model of `config` and a tokenizer with these special tokens. Long models need the question
    /// to be seen from everywhere; segments are the tokenizer's affair, unless the model has but one type.
    pub fn of(config: &Config, special: &SpecialTokens) -> Self {
        let has_segments = special.pairing == Pairing::TwoSegments && config.type_vocab_size > 1;
        Self {
            globals: if config.is_long() { Globals::Question } else { Globals::Nothing },
            second_segment: has_segments.then(|| special.pairing.separators()),
        }
    }

    /// The tokens as the model takes them; the first `question_end` of them are `<s>` and the question.
    pub fn row(self, input_ids: &[TokenId], question_end: usize) -> Sequence {
        let global = match self.globals {
            Globals::Nothing => Vec::new(),
            Globals::Question => (0..question_end).collect(),
        };
        Sequence {
            input_ids: input_ids.iter().map(|&id| id.into()).collect(),
            global,
            second_segment: self.second_segment.map(|ends| question_end + ends),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::families::{BERT, LONGFORMER, ROBERTA};
    use super::*;

    fn row(config: Config, pairing: Pairing) -> Sequence {
        let id = TokenId;
        let special = SpecialTokens { bos: id(0), pad: id(1), eos: id(2), unk: id(3), mask: id(4), pairing };
        QuestionInput::of(&config, &special).row(&[0, 7, 2, 8, 2].map(id), 2)
    }

    #[test]
    fn a_long_model_sees_the_question_from_everywhere_and_segments_are_the_tokenizers() {
        let two = |family| Config { type_vocab_size: 2, ..Config::base(family) };
        let of = |row: Sequence| (row.global, row.second_segment);
        assert_eq!(of(row(two(&BERT), Pairing::TwoSegments)), (vec![], Some(3)));
        assert_eq!(of(row(two(&LONGFORMER), Pairing::TwoSegments)), (vec![0, 1], Some(3)));
        assert_eq!(of(row(two(&ROBERTA), Pairing::OneSegment)), (vec![], None));
        assert_eq!(of(row(Config::base(&ROBERTA), Pairing::TwoSegments)), (vec![], None));
    }
}
