//! What a language of the miniature is: its words, and how a fact and a question are put together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::lexicon;
use crate::corpus::CorpusError;

/// A language of the miniature, by its ISO 639-1 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Language {
    /// English, in Latin letters.
    English,
    /// Russian, in Cyrillic letters.
    Russian,
    /// Greek.
    Greek,
    /// Arabic, from right to left.
    Arabic,
    /// Hindi, in Devanagari.
    Hindi,
    /// Japanese, in kanji and kana, without spaces.
    Japanese,
}

impl Language {
    /// Every language, in the order of their files and tables.
    pub const ALL: [Self; 6] =
        [Self::English, Self::Russian, Self::Greek, Self::Arabic, Self::Hindi, Self::Japanese];

    /// The ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
            Self::Greek => "el",
            Self::Arabic => "ar",
            Self::Hindi => "hi",
            Self::Japanese => "ja",
        }
    }

    pub(super) fn lexicon(self) -> &'static Lexicon {
        match self {
            Self::English => &lexicon::ENGLISH,
            Self::Russian => &lexicon::RUSSIAN,
            Self::Greek => &lexicon::GREEK,
            Self::Arabic => &lexicon::ARABIC,
            Self::Hindi => &lexicon::HINDI,
            Self::Japanese => &lexicon::JAPANESE,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Language {
    type Err = CorpusError;

    fn from_str(code: &str) -> Result<Self, CorpusError> {
        Self::ALL.into_iter().find(|language| language.code() == code).ok_or_else(|| CorpusError::Setting {
            key: "language",
            expected: "one of en, ru, el, ar, hi, ja",
            found: code.to_owned(),
        })
    }
}

impl TryFrom<String> for Language {
    type Error = CorpusError;

    fn try_from(code: String) -> Result<Self, CorpusError> {
        code.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.code().to_owned()
    }
}

/// How many people each language has.
pub(super) const NAMES: usize = 20;
/// How many places each language has.
pub(super) const PLACES: usize = 20;
/// How many ways there are to begin a fact.
pub(super) const OPENERS: usize = 8;
/// How many things there are to do.
pub(super) const ACTS: usize = 12;
/// How many ways there are to end a fact.
pub(super) const RESTS: usize = 8;
/// How many ways there are to ask.
pub(super) const FORMS: usize = 3;

/// The words of a language. A fact is `opener gap name act_gap act link place after rest stop`, the
/// answer in it `name act_gap act link place`, a question `form.0 name form.1 place form.2`.
///
/// What stands on either side of a name or place is the same in facts and in questions as far as a
/// byte-level tokenizer looks, so that each is the same tokens in both. All languages have the same
/// number of each, so that a document can be told in any of them.
pub(super) struct Lexicon {
    pub(super) openers: [&'static str; OPENERS],
    pub(super) gap: &'static str,
    pub(super) names: [&'static str; NAMES],
    pub(super) act_gap: &'static str,
    pub(super) acts: [&'static str; ACTS],
    pub(super) link: &'static str,
    pub(super) places: [&'static str; PLACES],
    pub(super) after: &'static str,
    pub(super) rests: [&'static str; RESTS],
    pub(super) stop: &'static str,
    /// What parts two sentences.
    pub(super) separator: &'static str,
    pub(super) forms: [(&'static str, &'static str, &'static str); FORMS],
}
