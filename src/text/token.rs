//! The two small types that everything about tokens is written in.

use serde::{Deserialize, Serialize};

/// A token's number in the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[repr(transparent)]
pub struct TokenId(pub u32);

impl From<TokenId> for i64 {
    fn from(id: TokenId) -> Self {
        i64::from(id.0)
    }
}

/// A half-open stretch of a text, in characters (Unicode scalar values) from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct CharSpan {
    /// The first character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
}

impl CharSpan {
    /// The stretch of `text`, cut at its end if the span reaches past it. Walks through the text.
    pub fn of(self, text: &str) -> &str {
        let mut starts = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
        let Some(from) = starts.nth(self.start) else { return "" };
        let to = match self.end.saturating_sub(self.start) {
            0 => from,
            length => starts.nth(length - 1).unwrap_or(text.len()),
        };
        text.get(from..to).unwrap_or("")
    }

    /// Whether the two share a character. An empty span shares none.
    pub fn overlaps(self, other: CharSpan) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_cuts_by_characters() {
        let of = |start, end| CharSpan { start, end }.of("नमस्ते x");
        assert_eq!(of(0, 2), "नम");
        assert_eq!(of(7, 8), "x");
        assert_eq!(of(7, 90), "x");
        assert_eq!(of(3, 3), "");
        assert_eq!(of(8, 8), "");
        assert_eq!(of(9, 10), "");
        assert_eq!(of(5, 2), "");
    }

    #[test]
    fn an_empty_span_overlaps_nothing() {
        let span = |start, end| CharSpan { start, end };
        assert!(span(1, 3).overlaps(span(2, 5)));
        assert!(!span(1, 3).overlaps(span(3, 5)));
        assert!(!span(2, 2).overlaps(span(1, 5)));
    }
}
