//! Where tokens stood according to version 0.9.2 of the tokenizers crate, which the original work used
//! (through transformers 3.4.0).
//!
//! Its XLM-R normalizer loses its place: where one character becomes several (Thai `ำ`, Hindi `ड़`, `½`,
//! `…`), the original character is never stepped over, and every token behind it is said to stand one
//! character too early; of two that become two, one is not. The tokens themselves are right. Whole
//! questions of XQuAD are left out for it, a quarter of the Thai ones, so published numbers of the
//! protocol cannot be compared with without it.

use tokenizers::normalizers::Precompiled;
use tokenizers::{
    Encoding, Model, NormalizedString, Normalizer, NormalizerWrapper, OffsetType, PreTokenizer, Result,
    Tokenizer,
};
use unicode_segmentation::UnicodeSegmentation;

/// The encoding of `text` without special tokens, its offsets in characters as version 0.9.2 gave them.
pub(super) fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Encoding> {
    let Some(NormalizerWrapper::Precompiled(normalizer)) = tokenizer.get_normalizer() else {
        return tokenizer.encode_char_offsets(text, false);
    };
    let added = tokenizer.get_added_vocabulary();
    let mut pieces = added.extract_and_normalize(Some(&LosingItsPlace(normalizer)), text);
    if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
        pre_tokenizer.pre_tokenize(&mut pieces)?;
    }
    pieces.tokenize(|piece| tokenizer.get_model().tokenize(piece.get()))?;
    pieces.into_encoding(None, 0, OffsetType::Char)
}

struct LosingItsPlace<'a>(&'a Precompiled);

impl LosingItsPlace<'_> {
    /// Adds what replaces `part`, each character with the step that 0.9.2 took: above 0 none at all, 0 one
    /// original character, below 0 as many more. False if `part` stays as it is.
    fn replace(&self, part: &str, steps: &mut Vec<(char, isize)>) -> bool {
        let Some(replacement) = self.0.transform(part) else { return false };
        let more = replacement.chars().count() as isize - part.chars().count() as isize;
        steps.extend(replacement.chars().zip(std::iter::once(more).chain(1..)));
        true
    }
}

impl Normalizer for LosingItsPlace<'_> {
    fn normalize(&self, text: &mut NormalizedString) -> Result<()> {
        let mut steps = Vec::with_capacity(text.get().len());
        for grapheme in text.get().graphemes(true) {
            // The length, in bytes, up to which the crate looks a grapheme up as a whole.
            if grapheme.len() < 6 && self.replace(grapheme, &mut steps) {
                continue;
            }
            for character in grapheme.chars() {
                if !self.replace(character.encode_utf8(&mut [0; 4]), &mut steps) {
                    steps.push((character, 0));
                }
            }
        }
        text.transform(steps, 0);
        Ok(())
    }
}
