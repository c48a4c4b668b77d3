//! The special tokens of a vocabulary, by what they are for.
//!
//! Two spellings are known, each with its way to put a question and its context into one sequence:
//! RoBERTa's and BERT's. A tokenizer has that spelling of which its vocabulary has the most tokens,
//! whatever its model is: a Longformer made of a BERT has `[CLS]` and `[SEP]`.

use std::path::Path;

use super::error::TextError;
use super::token::TokenId;

/// The tokens with a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `<s>` or `[CLS]`, the first token of every sequence.
    pub bos: TokenId,
    /// `</s>` or `[SEP]`, the end of every part.
    pub eos: TokenId,
    /// `<pad>` or `[PAD]`, which fills a batch and is never attended.
    pub pad: TokenId,
    /// `<mask>` or `[MASK]`, which hides a token.
    pub mask: TokenId,
    /// `<unk>` or `[UNK]`, which stands for what the vocabulary lacks.
    pub unk: TokenId,
    /// How a question stands beside its context.
    pub pairing: Pairing,
}

/// How a question and its context stand in one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// `<s> question </s></s> context </s>`, all of one segment.
    OneSegment,
    /// `[CLS] question [SEP] context [SEP]`, the context and its end in a segment of their own.
    TwoSegments,
}

impl Pairing {
    /// How many ends stand between question and context.
    pub fn separators(self) -> usize {
        match self {
            Pairing::OneSegment => 2,
            Pairing::TwoSegments => 1,
        }
    }
}

struct Spelling {
    bos: &'static str,
    eos: &'static str,
    pad: &'static str,
    mask: &'static str,
    unk: &'static str,
    pairing: Pairing,
}

/// BERT's, and RoBERTa's, which is the one that messages name where a vocabulary has neither.
const SPELLINGS: [Spelling; 2] = [
    Spelling {
        bos: "[CLS]",
        eos: "[SEP]",
        pad: "[PAD]",
        mask: "[MASK]",
        unk: "[UNK]",
        pairing: Pairing::TwoSegments,
    },
    Spelling {
        bos: "<s>",
        eos: "</s>",
        pad: "<pad>",
        mask: "<mask>",
        unk: "<unk>",
        pairing: Pairing::OneSegment,
    },
];

impl SpecialTokens {
    /// Looks them up by `id_of`; `path` is for messages only.
    pub(super) fn find(id_of: impl Fn(&str) -> Option<u32>, path: &Path) -> Result<Self, TextError> {
        let known = |spelling: &Spelling| {
            let Spelling { bos, eos, pad, mask, unk, .. } = *spelling;
            [bos, eos, pad, mask, unk].into_iter().filter(|token| id_of(token).is_some()).count()
        };
        let [bert, roberta] = &SPELLINGS;
        let spelling = if known(bert) > known(roberta) { bert } else { roberta };
        let id = |token: &'static str| {
            let missing = || TextError::MissingSpecialToken { path: path.to_owned(), token };
            id_of(token).map(TokenId).ok_or_else(missing)
        };
        Ok(Self {
            bos: id(spelling.bos)?,
            eos: id(spelling.eos)?,
            pad: id(spelling.pad)?,
            mask: id(spelling.mask)?,
            unk: id(spelling.unk)?,
            pairing: spelling.pairing,
        })
    }

    /// All of them.
    pub fn all(&self) -> [TokenId; 5] {
        [self.bos, self.eos, self.pad, self.mask, self.unk]
    }

    /// Whether `id` is one of them.
    pub fn contains(&self, id: TokenId) -> bool {
        self.all().contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(vocabulary: &[&str]) -> Result<SpecialTokens, TextError> {
        let id_of = |token: &str| vocabulary.iter().position(|own| *own == token).map(|id| id as u32);
        SpecialTokens::find(id_of, Path::new("tokenizer.json"))
    }

    #[test]
    fn a_vocabulary_has_the_spelling_it_knows_most_of() {
        let bert = find(&["<s>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]).unwrap();
        assert_eq!(bert.all().map(|id| id.0), [3, 4, 1, 5, 2]);
        assert_eq!(bert.pairing, Pairing::TwoSegments);
        let roberta = find(&["<s>", "<pad>", "</s>", "<unk>", "<mask>", "[CLS]"]).unwrap();
        assert_eq!((roberta.bos.0, roberta.pairing), (0, Pairing::OneSegment));
    }

    #[test]
    fn a_token_of_that_spelling_which_is_missing_is_named() {
        for (vocabulary, missing) in
            [(&["[PAD]", "[UNK]", "[CLS]", "[SEP]"][..], "[MASK]"), (&["<s>", "<pad>"], "</s>"), (&[], "<s>")]
        {
            match find(vocabulary) {
                Err(TextError::MissingSpecialToken { token, .. }) => assert_eq!(token, missing),
                other => panic!("{other:?}"),
            }
        }
    }
}
