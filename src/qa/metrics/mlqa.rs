//! Answers as MLQA's mlqa_evaluation_v1 compares them: in lower case, without any of Unicode's or ASCII's
//! punctuation, without the articles of the answer's language, with single spaces. In Chinese, each
//! character stands for a word.

use unicode_general_category::{GeneralCategory, get_general_category};

use super::words::{ENGLISH_ARTICLES, words};
use crate::corpus::mlqa::Language;

const GERMAN_ARTICLES: [&str; 12] =
    ["ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem", "des"];
const SPANISH_ARTICLES: [&str; 8] = ["un", "una", "unos", "unas", "el", "la", "los", "las"];
const VIETNAMESE_ARTICLES: [&str; 5] = ["của", "là", "cái", "chiếc", "những"];
/// The script takes it out wherever it stands, inside words too, and leaves a gap: of its two patterns,
/// the one for the beginning of a word cannot match.
const ARABIC_ARTICLE: &str = "ال";

/// The normalized answer. The order is the script's: lower case, punctuation, articles, white space.
pub(super) fn normalize(answer: &str, language: Language) -> String {
    let mut bare = answer.to_lowercase();
    bare.retain(|c| !is_punctuation(c));
    let alone = |c| language == Language::Chinese && is_chinese(c);
    match language {
        Language::Arabic => words(&bare.replace(ARABIC_ARTICLE, " "), &[], alone),
        _ => words(&bare, articles(language), alone),
    }
}

/// The articles that are words of their own.
fn articles(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &ENGLISH_ARTICLES,
        Language::Spanish => &SPANISH_ARTICLES,
        Language::German => &GERMAN_ARTICLES,
        Language::Vietnamese => &VIETNAMESE_ARTICLES,
        Language::Arabic | Language::Hindi | Language::Chinese => &[],
    }
}

fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fa5}').contains(&c)
}

fn is_punctuation(c: char) -> bool {
    use GeneralCategory::*;
    if c.is_ascii() {
        return c.is_ascii_punctuation();
    }
    matches!(
        get_general_category(c),
        ConnectorPunctuation
            | DashPunctuation
            | OpenPunctuation
            | ClosePunctuation
            | InitialPunctuation
            | FinalPunctuation
            | OtherPunctuation
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_own_rules() {
        for (language, answer, expected) in [
            (Language::English, "The “Norman” dukes…", "norman dukes"),
            (Language::German, "Die Straße des 17. Juni", "straße 17 juni"),
            (Language::German, "the Eine-Welt", "the einewelt"),
            (Language::Spanish, "¿El río de las Amazonas?", "río de amazonas"),
            (Language::Vietnamese, "Của những ngôi nhà", "ngôi nhà"),
            (Language::Vietnamese, "cu\u{309}a nhà", "cu\u{309}a nhà"),
            (Language::Arabic, "القاهرة، مالطا", "قاهرة م طا"),
            (Language::Hindi, "नई दिल्ली।", "नई दिल्ली"),
            (Language::Chinese, "北京、2008年 Olympic games", "北 京 2008 年 olympic games"),
            (Language::Chinese, "the 龥龦々", "the 龥 龦々"),
            (Language::English, "北京", "北京"),
            (Language::English, "$5 + ５％", "5 ５"),
            (Language::English, "", ""),
        ] {
            assert_eq!(normalize(answer, language), expected, "{language} {answer:?}");
        }
    }
}
