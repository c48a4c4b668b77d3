//! Where a text can be cut by rule, without asking the tokenizer: the tokens of what is before and of
//! what is behind, side by side, are those of the whole.
//!
//! The rule holds for the kinds of tokenizer that [`hold_for`] knows, RoBERTa's and XLM-R's.

use tokenizers::{
    NormalizedString, Normalizer, NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Library,
    pre_tokenizers::metaspace::PrependScheme,
};

/// Whether a text can be cut before the second of these three bytes: a space before a visible ASCII
/// character that is no `<`, behind another visible one or behind a line feed.
///
/// RoBERTa's expression begins a match at such a space: no alternative reaches over it from before, and
/// a run of whitespace leaves its last space to the word behind. XLM-R drops whitespace between words,
/// and its normalizer sees one grapheme at a time: neither neighbour shares one with the space. An added
/// token begins with `<`, so that this is no space which one takes along.
pub(super) fn is_seam(around: &[u8]) -> bool {
    match around {
        [before, b' ', after] => {
            (before.is_ascii_graphic() || *before == b'\n') && after.is_ascii_graphic() && *after != b'<'
        }
        _ => false,
    }
}

/// Whether the rule holds for `tokenizer`.
pub(super) fn hold_for(tokenizer: &Library) -> bool {
    let added = tokenizer.get_added_tokens_decoder();
    let added_reach_over_no_space = added.values().all(|token| {
        let content = &token.content;
        content.starts_with('<') && content.bytes().all(|byte| byte.is_ascii_graphic()) && !token.rstrip
    });
    let splits_at_spaces = match (tokenizer.get_normalizer(), tokenizer.get_pre_tokenizer()) {
        (None, Some(PreTokenizerWrapper::ByteLevel(bytes))) => bytes.use_regex && !bytes.add_prefix_space,
        (Some(normalizer), Some(PreTokenizerWrapper::Sequence(steps))) => {
            use PreTokenizerWrapper::{Metaspace, WhitespaceSplit};
            // A mark at the beginning of a text alone would be one at each word that is cut from it.
            let marks_alike = |scheme| scheme != PrependScheme::First;
            goes_by_grapheme(normalizer)
                && matches!(steps.as_ref(), [WhitespaceSplit(_), Metaspace(metaspace)] if marks_alike(metaspace.prepend_scheme))
        }
        _ => false,
    };
    added_reach_over_no_space && splits_at_spaces
}

/// Whether `normalizer` looks at one grapheme, or less, at a time, and leaves a space as it is.
fn goes_by_grapheme(normalizer: &NormalizerWrapper) -> bool {
    let mut space = NormalizedString::from(" ");
    matches!(normalizer, NormalizerWrapper::Precompiled(_) | NormalizerWrapper::NFKC(_))
        && normalizer.normalize(&mut space).is_ok()
        && space.get() == " "
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::text::testing;

    #[test]
    fn a_seam_is_a_space_between_visible_ascii_or_behind_a_line_feed() {
        let is_seam = |text: &str| is_seam(text.as_bytes());
        assert!([". a", "a =", "\n R"].into_iter().all(is_seam));
        let others = ["ab ", "a <", "  a", "\t a", "\r a", "a \n", "a\u{a0}", "\u{a0} a", " a", ""];
        assert!(!others.into_iter().any(is_seam));
    }

    #[test]
    fn the_rule_holds_for_tokenizers_like_robertas_and_like_xlm_rs_alone() {
        assert!(testing::byte_level_once().has_seams() && testing::words_once().has_seams());
        assert!(!testing::with_prefix_space().has_seams() && !testing::without_words().has_seams());
    }

    #[test]
    fn an_added_token_that_could_take_part_of_a_seam_breaks_the_rule() {
        let with = |content: &str, rstrip: bool| {
            let mut tokenizer = testing::byte_level_json(false, true);
            let added = json!({"id": 264, "content": content, "special": false, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": rstrip});
            tokenizer["added_tokens"].as_array_mut().unwrap().push(added);
            testing::load(&tokenizer).has_seams()
        };
        assert!(with("<answer>", false));
        assert!(!with("<answer>", true));
        assert!(!with("<the answer>", false));
        assert!(!with("answer", false));
    }
}
