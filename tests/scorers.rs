//! Every scorer against a slow and obvious restatement of its official definition.

use std::collections::HashSet;

use longqa::corpus::mlqa::Language;
use longqa::qa::metrics::{GoldQuestion, evaluate, score};
use longqa::qa::{Gold, Predictions, QaError, Rules};
use proptest::prelude::*;

/// Letters of articles, and one of each kind of character that the definitions tell apart.
const CHARACTERS: &str =
    "aanthedrisulEIDTLl ال củalà北年龥龦0５² \u{3000}\u{1c}.,'_-$’´«“、،।\u{301}\u{200d}😀";
const WORDS: [&str; 13] = ["the", "A", "an", "der", "Ein", "los", "un", "ال", "của", "là", "北京", "x", " "];
/// Of those characters, what Unicode calls punctuation and ASCII does not have.
const PUNCTUATION: &str = "’«“、،।";

fn articles(rules: Rules) -> &'static [&'static str] {
    match rules {
        Rules::Squad | Rules::TriviaQa | Rules::Mlqa(Language::English) => &["a", "an", "the"],
        Rules::Mlqa(Language::Spanish) => &["un", "una", "unos", "unas", "el", "la", "los", "las"],
        Rules::Mlqa(Language::German) => {
            &["ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem", "des"]
        }
        Rules::Mlqa(Language::Vietnamese) => &["của", "là", "cái", "chiếc", "những"],
        Rules::Mlqa(Language::Arabic | Language::Hindi | Language::Chinese) => &[],
    }
}

/// Lower case, punctuation, articles, white space: one pass each, over the whole text.
fn normalized(rules: Rules, answer: &str) -> Vec<String> {
    let text = match rules {
        Rules::TriviaQa => answer.replace('_', " "),
        _ => answer.to_owned(),
    };
    let text = text.to_lowercase();
    let is_ascii = |c: char| c.is_ascii_punctuation();
    let text: String = match rules {
        Rules::Squad => text.chars().filter(|&c| !is_ascii(c)).collect(),
        Rules::Mlqa(_) => text.chars().filter(|&c| !is_ascii(c) && !PUNCTUATION.contains(c)).collect(),
        Rules::TriviaQa => {
            text.chars().map(|c| if is_ascii(c) || "‘’´".contains(c) { ' ' } else { c }).collect()
        }
    };
    let mut text: Vec<char> = text.chars().collect();
    if rules == Rules::Mlqa(Language::Arabic) {
        text = text.iter().collect::<String>().split("ال").collect::<Vec<_>>().join(" ").chars().collect();
    }
    let text = without(&text, articles(rules));
    if rules == Rules::Mlqa(Language::Chinese) {
        let spaced =
            text.chars().map(|c| if ('一'..='龥').contains(&c) { format!(" {c} ") } else { c.to_string() });
        return split(&spaced.collect::<String>());
    }
    split(&text)
}

fn split(text: &str) -> Vec<String> {
    let is_space = |c: char| c.is_whitespace() || c == '\u{1c}';
    text.split(is_space).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A space for each of `words` that stands between two word boundaries, from left to right.
fn without(text: &[char], words: &[&str]) -> String {
    // The marks and joiners above are no alphanumerics to Rust either.
    let is_word = |index: usize| text.get(index).is_some_and(|c| c.is_alphanumeric());
    let is_boundary = |index: usize| (index > 0 && is_word(index - 1)) != is_word(index);
    let mut left = String::new();
    let mut index = 0;
    while index < text.len() {
        let ends = |word: &&&str| {
            let end = index + word.chars().count();
            text[index..].iter().copied().take(end - index).eq(word.chars()) && is_boundary(end)
        };
        match words.iter().find(ends).filter(|_| is_boundary(index)) {
            Some(word) => {
                left.push(' ');
                index += word.chars().count();
            }
            None => {
                left.push(text[index]);
                index += 1;
            }
        }
    }
    left
}

/// F1 of two bags of words: a word in both is crossed out in both.
fn f1(prediction: &[String], gold: &[String]) -> f64 {
    let mut rest = gold.to_vec();
    let mut same = 0.0;
    for word in prediction {
        if let Some(place) = rest.iter().position(|other| other == word) {
            rest.remove(place);
            same += 1.0;
        }
    }
    if same == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (same / prediction.len() as f64, same / gold.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let mlqa = prop::sample::select(Language::ALL.as_slice()).prop_map(Rules::Mlqa);
    prop_oneof![Just(Rules::Squad), Just(Rules::TriviaQa), mlqa]
}

fn text() -> impl Strategy<Value = String> {
    let character = prop::sample::select(CHARACTERS.chars().collect::<Vec<_>>()).prop_map(String::from);
    let part = prop_oneof![character, prop::sample::select(WORDS.as_slice()).prop_map(str::to_owned)];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn answers_are_normalized_and_compared_as_defined(
        rules in any_rules(),
        prediction in text(),
        golds in prop::collection::vec(text(), 0..4),
    ) {
        let words = normalized(rules, &prediction);
        prop_assert_eq!(rules.normalize(&prediction), words.join(" "));
        let found = score(rules, &prediction, golds.iter().map(String::as_str));
        let golds: Vec<_> = golds.iter().map(|gold| normalized(rules, gold)).collect();
        prop_assert_eq!(found.exact_match, golds.contains(&words));
        prop_assert_eq!(found.f1, golds.iter().map(|gold| f1(&words, gold)).fold(0.0, f64::max));
    }

    /// TriviaQA's script normalizes the answers of people twice, which therefore changes nothing.
    #[test]
    fn what_is_normalized_stays_as_it_is(rules in any_rules(), answer in prop_oneof![text(), ".{0,12}"]) {
        let once = rules.normalize(&answer);
        prop_assert_eq!(rules.normalize(&once), once);
    }

    #[test]
    fn means_are_over_what_counts(
        rules in any_rules(),
        asked in prop::collection::vec((text(), prop::option::of(text()), any::<bool>()), 1..12),
        unknown in 0..3_usize,
    ) {
        let id = |number: usize| format!("q{number}");
        let gold = asked.iter().enumerate().map(|(number, (gold, ..))| GoldQuestion {
            id: id(number).into(),
            answers: vec![gold],
        });
        let gold = Gold { questions: gold.collect() };
        let given = asked.iter().enumerate().filter_map(|(number, (_, text, _))| Some((id(number), text.clone()?)));
        let predictions: Predictions =
            given.chain((0..unknown).map(|number| (format!("unknown{number}"), String::new()))).collect();
        let left_out: HashSet<String> =
            asked.iter().enumerate().filter(|(_, (_, _, out))| *out).map(|(number, _)| id(number)).collect();
        let counted: Vec<_> = asked.iter().filter(|(_, _, out)| !out).collect();
        let found = evaluate(rules, &gold, &predictions, &left_out);
        if counted.is_empty() {
            prop_assert!(matches!(found, Err(QaError::NoQuestions)));
            return Ok(());
        }
        let found = found.unwrap();
        let (mut matches, mut sum) = (0.0, 0.0);
        for (gold, text, _) in &counted {
            if let Some(text) = text {
                let (text, gold) = (normalized(rules, text), normalized(rules, gold));
                matches += f64::from(u8::from(text == gold));
                sum += f1(&text, &gold);
            }
        }
        prop_assert_eq!(found.scores.total, counted.len());
        prop_assert_eq!(found.scores.exact_match, 100.0 * matches / counted.len() as f64);
        prop_assert_eq!(found.scores.f1, 100.0 * sum / counted.len() as f64);
        prop_assert_eq!(found.unanswered, counted.iter().filter(|(_, text, _)| text.is_none()).count());
        prop_assert_eq!((found.unknown, found.left_out()), (unknown, left_out.len()));
        let shown: Vec<bool> = found.questions.iter().map(Option::is_none).collect();
        prop_assert_eq!(shown, asked.iter().map(|(_, _, out)| *out).collect::<Vec<_>>());
    }
}
