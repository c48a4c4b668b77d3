//! Cuts a long text into pieces that can be tokenized apart, so that a corpus neither stands in
//! memory whole nor waits for one core.
//!
//! A cut is made only at the start of a line, and only where the tokens do not change: by the rule of
//! [`seams`], or because a run-time check has shown it: the last line before it and the first one
//! after it, encoded together, are the two encoded apart, and the tokenizer's own word boundary falls
//! on the cut. Blank lines
//! stay with what is before them: the expression that splits words in GPT-2 and RoBERTa takes a run
//! of whitespace together, less the one character that may belong to the next word, so nothing
//! inside such a run is a safe place. In WikiText, where each line begins with a space and a
//! letter, nearly every paragraph start is one. XLM-R splits at whitespace, and its normalizer
//! composes letters within a grapheme, which no line feed is part of.
//!
//! Where many places in a row fail, pieces get longer, to bound the time spent on trying; a
//! tokenizer without word boundaries (or a text without lines) ends with the whole text in one piece.

use std::io::BufRead;

use super::error::TextError;
use super::seams;
use super::token::TokenId;
use super::tokenizer::Tokenizer;
use crate::corpus::wikitext::RawText;

/// Places that may fail in a row before pieces become twice as long.
const PATIENCE: usize = 32;
/// A piece beyond this many bytes is worth a warning: its tokens take some 150 times as much memory.
const WORRYING: usize = 16 << 20;

/// The pieces of a text, in order: an iterator over strings that together are the text.
pub(super) struct Pieces<'a, R> {
    lines: RawText<R>,
    tokenizer: &'a Tokenizer,
    /// The length in bytes from which on a piece may end.
    target: usize,
    failures: usize,
    may_cut: bool,
    warned: bool,
    /// Text read and not yet given out.
    pending: String,
    /// Where the last line in `pending` that is not blank begins.
    last_line: Option<usize>,
    finished: bool,
}

impl<'a, R: BufRead> Pieces<'a, R> {
    /// Pieces of at least `target` bytes each, but for the last.
    pub fn new(lines: RawText<R>, tokenizer: &'a Tokenizer, target: usize) -> Self {
        Self {
            lines,
            tokenizer,
            target,
            failures: 0,
            may_cut: tokenizer.splits_into_words(),
            warned: false,
            pending: String::new(),
            last_line: None,
            finished: false,
        }
    }

    fn next_piece(&mut self) -> Result<Option<String>, TextError> {
        while !self.finished {
            let start = self.pending.len();
            if self.lines.next_line(&mut self.pending)? == 0 {
                self.finished = true;
                break;
            }
            let Some((before, line)) = self.pending.split_at_checked(start) else { break };
            if line.trim().is_empty() {
                continue;
            }
            let last_line = self.last_line.replace(start).and_then(|last| before.get(last..));
            let Some(last_line) = last_line.filter(|_| self.may_cut && start >= self.target) else {
                continue;
            };
            if self.is_seam(start) || can_be_cut(self.tokenizer, last_line, line)? {
                self.failures = 0;
                self.last_line = Some(0);
                let rest = self.pending.split_off(start);
                return Ok(Some(std::mem::replace(&mut self.pending, rest)));
            }
            self.be_less_eager();
        }
        Ok(Some(std::mem::take(&mut self.pending)).filter(|rest| !rest.is_empty()))
    }

    /// Whether the text can be cut at byte `start` by rule.
    fn is_seam(&self, start: usize) -> bool {
        let around = self.pending.as_bytes().get(start - 1..start + 2);
        self.tokenizer.has_seams() && around.is_some_and(seams::is_seam)
    }

    fn be_less_eager(&mut self) {
        self.failures += 1;
        if self.failures.is_multiple_of(PATIENCE) {
            self.target = self.pending.len().saturating_mul(2);
        }
        if self.pending.len() > WORRYING && !self.warned {
            self.warned = true;
            tracing::warn!(
                "{}: this tokenizer rarely lets a text be cut; memory will grow",
                self.tokenizer.path().display()
            );
        }
    }
}

impl<R: BufRead> Iterator for Pieces<'_, R> {
    type Item = Result<String, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.next_piece();
        self.finished |= piece.is_err();
        piece.transpose()
    }
}

/// Whether tokens stay the same when the text is cut between these two lines. `before` may end in
/// blank lines.
fn can_be_cut(tokenizer: &Tokenizer, before: &str, after: &str) -> Result<bool, TextError> {
    let whole = tokenizer.encode_words(&[before, after].concat())?;
    let (left, right) = (tokenizer.encode_ids(before)?, tokenizer.encode_ids(after)?);
    let unchanged = whole.iter().map(|&(id, _)| id).eq(left.iter().chain(&right).copied());
    Ok(unchanged && ends_a_word(&whole, left.len()))
}

/// Whether a word ends before the token at `cut`, and both sides have one.
fn ends_a_word(tokens: &[(TokenId, Option<u32>)], cut: usize) -> bool {
    match (cut.checked_sub(1).and_then(|last| tokens.get(last)), tokens.get(cut)) {
        (Some((_, Some(last))), Some((_, Some(next)))) => last != next,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::text::testing;

    fn pieces(tokenizer: &Tokenizer, text: &str, target: usize) -> Vec<String> {
        let lines = RawText::new(Path::new("text"), text.as_bytes());
        Pieces::new(lines, tokenizer, target).map(Result::unwrap).collect()
    }

    fn agree(tokenizer: &Tokenizer, text: &str, target: usize) -> usize {
        let pieces = pieces(tokenizer, text, target);
        assert_eq!(pieces.concat(), text);
        let apart: Vec<TokenId> =
            pieces.iter().flat_map(|piece| tokenizer.encode_ids(piece).unwrap()).collect();
        assert_eq!(apart, tokenizer.encode_ids(text).unwrap(), "{pieces:?}");
        pieces.len()
    }

    #[test]
    fn wikitext_is_cut_at_nearly_every_paragraph() {
        let tokenizer = testing::byte_level();
        let text = " \n = Oslo = \n \n Oslo is a town . \n It has trams . \n \n = = Trams = = \n";
        assert_eq!(agree(&tokenizer, text, 1), 4);
    }

    #[test]
    fn a_run_of_line_feeds_is_never_cut_where_that_would_change_it() {
        // "\n\n" has a token of its own, which "a\n\n|b" would use and "a\n\nb" does not.
        let tokenizer = testing::byte_level();
        assert_eq!(pieces(&tokenizer, "a\n\nb\nc", 1), ["a\n\nb\n", "c"]);
        agree(&tokenizer, "a\n\nb\nc", 1);
    }

    #[test]
    fn a_tokenizer_that_does_not_split_into_words_gets_the_whole_text() {
        let tokenizer = testing::without_words();
        let text = "one line\n another line\n".repeat(200);
        assert_eq!(pieces(&tokenizer, &text, 1), [text]);
    }

    #[test]
    fn a_tokenizer_that_marks_the_start_of_each_text_gets_few_long_pieces() {
        let tokenizer = testing::with_prefix_space();
        let text = "line\n".repeat(500);
        assert_eq!(agree(&tokenizer, &text, 1), 1);
    }

    const ODD: &str = "(a|b c|\n|\n\n| |  |\t|\r\n|\r|\u{b}|\u{85}|\u{a0}|\u{2028}|\u{3000}|\u{200b}|\u{feff}\
        |e\u{301}|\u{301}|\u{1e}|नमस्ते|<s>|<mask>|\\[MASK\\]|, |'s|1\n2|\n = x = \n){0,24}";

    proptest! {
        #[test]
        fn pieces_of_odd_whitespace_have_the_tokens_of_the_whole(text in ODD, target in 1usize..20) {
            agree(testing::byte_level_once(), &text, target);
            agree(testing::words_once(), &text, target);
            agree(testing::word_pieces_once(), &text, target);
        }
    }
}
