//! Answers as SQuAD's evaluate-v1.1 compares them: in lower case, without ASCII punctuation, without
//! the words *a*, *an* and *the*, with single spaces.

use super::words::{ENGLISH_ARTICLES, words};

/// The normalized answer. The order is the script's: lower case, punctuation, articles, white space.
/// Punctuation therefore joins what it stood between: `don't` becomes `dont`.
pub(super) fn normalize(answer: &str) -> String {
    let mut bare = answer.to_lowercase();
    bare.retain(|c| !c.is_ascii_punctuation());
    words(&bare, &ENGLISH_ARTICLES, |_| false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_steps_shows() {
        for (answer, expected) in [
            ("The  Norman\u{a0}dukes!", "norman dukes"),
            ("don't", "dont"),
            ("a-the b", "athe b"),
            ("(the)", ""),
            ("x😀a😀y", "x😀 😀y"),
            ("a\u{301} b", "\u{301} b"),
            ("a\u{200d}", "\u{200d}"),
            ("ΟΔΟΣ, ΑΣ.Α", "οδος ασα"),
            ("one\u{1c}two\u{85}three", "one two three"),
            ("", ""),
        ] {
            assert_eq!(normalize(answer), expected, "{answer:?}");
        }
    }
}
