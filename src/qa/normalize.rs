//! Answers as SQuAD's evaluate-v1.1 compares them: in lower case, without ASCII punctuation, without
//! the words *a*, *an* and *the*, with single spaces.
//!
//! The official script is Python, and a few of Python's notions differ from Rust's. They are spelled
//! out here and held against Python, code point by code point, in `tests/metrics.rs`.
//!
//! Unicode versions differ too: Rust's lower case and the category tables (16.0) know characters that an
//! older Python does not. Where Python 3.11 (Unicode 14.0) knows a character, all agree, with two
//! exceptions that newer Pythons share: a capital sigma beside U+0295 or U+1171E may lower to another form.

use unicode_general_category::{GeneralCategory, get_general_category};

/// The normalized answer: the remaining words, one space between two.
///
/// The order is the script's: lower case, punctuation, articles, white space. Punctuation therefore
/// joins what it stood between (`don't` becomes `dont`), and an article leaves a gap even where no
/// white space was (`x😀a😀y` becomes `x😀 😀y`).
pub fn normalize_answer(answer: &str) -> String {
    let mut bare = answer.to_lowercase();
    bare.retain(|c| !c.is_ascii_punctuation());
    let mut normalized = String::with_capacity(bare.len());
    let mut at_gap = false;
    let mut rest = bare.as_str();
    while let Some(first) = rest.chars().next() {
        // A run of letters and numbers, or of anything else; an article is a whole such run.
        let in_word = is_python_alphanumeric(first);
        let end = rest.find(|c| is_python_alphanumeric(c) != in_word).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        if in_word && matches!(run, "a" | "an" | "the") {
            at_gap = true;
            continue;
        }
        for c in run.chars() {
            if is_python_space(c) {
                at_gap = true;
                continue;
            }
            if at_gap && !normalized.is_empty() {
                normalized.push(' ');
            }
            at_gap = false;
            normalized.push(c);
        }
    }
    normalized
}

/// Python's `str.isalnum`, which is also `\w` of its `re` but for the underscore: letters and numbers
/// of every kind, no combining marks and no joiners.
fn is_python_alphanumeric(c: char) -> bool {
    use GeneralCategory::*;
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    matches!(
        get_general_category(c),
        UppercaseLetter
            | LowercaseLetter
            | TitlecaseLetter
            | ModifierLetter
            | OtherLetter
            | DecimalNumber
            | LetterNumber
            | OtherNumber
    )
}

/// Python's `str.isspace`, at which `str.split` splits: Unicode's white space and the four
/// information separators.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
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
            assert_eq!(normalize_answer(answer), expected, "{answer:?}");
        }
    }
}
