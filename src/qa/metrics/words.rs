//! Words as the official scripts find them.
//!
//! They are Python, and a few of Python's notions differ from Rust's. They are spelled out here and held
//! against Python, code point by code point, in `tests/metrics.rs`.
//!
//! Unicode versions differ too: Rust's lower case and the category tables (16.0) know characters that an
//! older Python does not. Where Python 3.11 (Unicode 14.0) knows a character, all agree, with two
//! exceptions that newer Pythons share: a capital sigma beside U+0295 or U+1171E may lower to another form.

use unicode_general_category::{GeneralCategory, get_general_category};

/// What `\b(a|an|the)\b` finds.
pub(super) const ENGLISH_ARTICLES: [&str; 3] = ["a", "an", "the"];

/// The words of `bare`, one space between two, without `articles`. A character that `stands_alone` is a word of
/// its own.
///
/// An article is a whole run of letters and numbers and leaves a gap even where no white space was
/// (`x😀a😀y` becomes `x😀 😀y`). `bare` has no underscore, which Python would count among the letters.
pub(super) fn words(bare: &str, articles: &[&str], stands_alone: impl Fn(char) -> bool) -> String {
    let mut words = String::with_capacity(bare.len());
    let mut at_gap = false;
    let mut rest = bare;
    while let Some(first) = rest.chars().next() {
        // A run of letters and numbers, or of anything else.
        let in_word = is_python_alphanumeric(first);
        let end = rest.find(|c| is_python_alphanumeric(c) != in_word).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        if in_word && articles.contains(&run) {
            at_gap = true;
            continue;
        }
        for c in run.chars() {
            if is_python_space(c) {
                at_gap = true;
                continue;
            }
            let alone = stands_alone(c);
            if (at_gap || alone) && !words.is_empty() {
                words.push(' ');
            }
            at_gap = alone;
            words.push(c);
        }
    }
    words
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
