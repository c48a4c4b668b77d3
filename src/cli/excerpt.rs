//! A stretch of a text with some words around it, on one line.

use crate::text::CharSpan;

/// Words shown before and after the stretch.
const WORDS: usize = 12;
/// Characters shown before and after it, for writing without spaces.
const CHARACTERS: usize = 100;
/// Stands for text that is left out.
const MORE: char = '…';

/// How the stretch is told from what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `>>>stretch<<<`
    Arrows,
    /// Bold and underlined, as terminals understand it.
    Terminal,
}

impl Marks {
    fn pair(self) -> (&'static str, &'static str) {
        match self {
            Marks::Arrows => (">>>", "<<<"),
            Marks::Terminal => ("\u{1b}[1;4m", "\u{1b}[0m"),
        }
    }
}

/// The characters of `span` in `text`, marked, amid some words.
pub fn excerpt(text: &str, span: CharSpan, marks: Marks) -> String {
    let reversed: Vec<char> = text.chars().take(span.start).collect();
    let mut before = near(reversed.into_iter().rev());
    before.reverse();
    let after = near(text.chars().skip(span.end));
    let (open, close) = marks.pair();
    let (before, after) = (String::from_iter(before), String::from_iter(after));
    [&before, open, &on_one_line(span.of(text)), close, &after].concat()
}

/// `text` without line breaks and without anything that a terminal might obey.
pub fn on_one_line(text: &str) -> String {
    text.chars().map(printable).collect()
}

fn printable(character: char) -> char {
    if character.is_whitespace() || character.is_control() { ' ' } else { character }
}

/// Some words of `text`, and a sign that more follows.
fn near(text: impl Iterator<Item = char>) -> Vec<char> {
    let mut near = Vec::new();
    let mut spaces = 0;
    for character in text.map(printable) {
        spaces += usize::from(character == ' ' && near.last() != Some(&' '));
        // The first space stands between the stretch and the first word.
        if spaces > WORDS || near.len() == CHARACTERS {
            near.push(MORE);
            break;
        }
        near.push(character);
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, stretch: &str) -> String {
        let byte = text.find(stretch).unwrap();
        let start = text[..byte].chars().count();
        excerpt(text, CharSpan { start, end: start + stretch.chars().count() }, Marks::Arrows)
    }

    #[test]
    fn a_short_text_is_shown_whole_on_one_line() {
        assert_eq!(shown("Ида\nв Осло.\tДа", "в Осло"), "Ида >>>в Осло<<<. Да");
        assert_eq!(shown("Oslo", "Oslo"), ">>>Oslo<<<");
    }

    #[test]
    fn of_a_long_text_twelve_words_are_shown_on_either_side() {
        let text: String = (0..40).map(|number| format!("w{number} ")).collect();
        let expected = "…w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 >>>w20<<< \
                        w21 w22 w23 w24 w25 w26 w27 w28 w29 w30 w31 w32…";
        assert_eq!(shown(&text, "w20"), expected);
    }

    #[test]
    fn writing_without_spaces_is_cut_by_characters() {
        let text = ["本".repeat(150), "東京".to_owned(), "木".repeat(3)].concat();
        let expected = ["…", &"本".repeat(100), ">>>東京<<<木木木"].concat();
        assert_eq!(shown(&text, "東京"), expected);
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_passed_on() {
        assert_eq!(shown("a\u{1b}[2Jb Oslo\u{7}", "b Oslo"), "a [2J>>>b Oslo<<< ");
        let span = CharSpan { start: 2, end: 6 };
        assert_eq!(excerpt("a Oslo", span, Marks::Terminal), "a \u{1b}[1;4mOslo\u{1b}[0m");
    }
}
