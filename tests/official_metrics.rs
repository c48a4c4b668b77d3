//! Scores against `golden/official_metrics.json`: what the official scripts of MLQA and TriviaQA give, bit
//! for bit.

use std::collections::HashSet;
use std::fs;

use longqa::corpus::mlqa::Language;
use longqa::corpus::{Answer, QaDataset, Question, triviaqa};
use longqa::qa::metrics::{self, evaluate, score};
use longqa::qa::{Gold, Predictions, Rules};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    python: String,
    punctuation: Vec<(u32, u32)>,
    mlqa: Vec<Mlqa>,
    triviaqa: Vec<TriviaQa>,
}

#[derive(Deserialize)]
struct Mlqa {
    language: String,
    printed: String,
    questions: Vec<MlqaQuestion>,
}

#[derive(Deserialize)]
struct MlqaQuestion {
    id: String,
    golds: Vec<String>,
    prediction: Option<String>,
    exact_match: bool,
    f1: String,
}

#[derive(Deserialize)]
struct TriviaQa {
    file: Value,
    predictions: Predictions,
    /// Key, exact match and F1, in the script's order.
    keys: Vec<(String, bool, String)>,
    printed: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/official_metrics.json")).unwrap()
}

fn bits(hex: &str) -> u64 {
    u64::from_str_radix(hex, 16).unwrap()
}

fn language(code: &str) -> Language {
    Language::ALL.into_iter().find(|language| language.code() == code).unwrap()
}

fn dataset(questions: &[MlqaQuestion]) -> QaDataset {
    let answer = |text: &String| Answer { text: text.clone(), start: 0 };
    let question = |question: &MlqaQuestion| Question {
        id: question.id.clone(),
        text: String::new(),
        context: 0,
        answers: question.golds.iter().map(answer).collect(),
    };
    QaDataset { contexts: vec![String::new()], questions: questions.iter().map(question).collect() }
}

#[test]
fn mlqa_scores_as_its_script_does_in_every_language() {
    let golden = golden();
    assert_eq!(golden.mlqa.len(), Language::ALL.len());
    for Mlqa { language: code, printed, questions } in &golden.mlqa {
        let rules = Rules::Mlqa(language(code));
        for question in questions {
            let Some(prediction) = &question.prediction else { continue };
            let found = score(rules, prediction, question.golds.iter().map(String::as_str));
            let said =
                format!("{code}: {prediction:?} against {:?}, Python {}", question.golds, golden.python);
            assert_eq!(found.exact_match, question.exact_match, "{said}");
            assert_eq!(found.f1.to_bits(), bits(&question.f1), "{said}");
        }
        let given = questions.iter().filter_map(|q| Some((q.id.clone(), q.prediction.clone()?)));
        let predictions = given.chain([("nobody-asked".to_owned(), "x".to_owned())]).collect();
        let dataset = dataset(questions);
        let found = evaluate(rules, &Gold::from(&dataset), &predictions, &HashSet::new()).unwrap();
        let total = format!(", \"total\": {}}}", questions.len());
        assert_eq!(found.scores.to_string(), printed.replace('}', &total), "{code}");
        assert_eq!((found.unanswered, found.unknown), (questions.len() + 1 - predictions.len(), 1));
    }
}

/// Wherever the script's Python knows a character. Newer tables have more punctuation.
#[test]
fn mlqa_takes_the_same_characters_for_punctuation() {
    let golden = golden();
    let known: HashSet<u32> = golden.punctuation.iter().flat_map(|(start, end)| *start..*end).collect();
    let mut newer = Vec::new();
    for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let is_dropped = Rules::Mlqa(Language::Hindi).normalize(&format!("x{c}y")) == "xy";
        match (is_dropped, known.contains(&(c as u32))) {
            (true, false) => newer.push(c as u32),
            (is_dropped, expected) => assert_eq!(is_dropped, expected, "U+{:04X}", c as u32),
        }
    }
    // Unicode 15 and 16; all in scripts that MLQA's languages do not use.
    assert!(
        newer.iter().all(|&code| code == 0x1b4e || code == 0x1b4f || code == 0x1b7f || code > 0xffff),
        "{newer:x?}"
    );
}

#[test]
fn triviaqa_scores_as_its_script_does_by_question_and_by_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    for TriviaQa { file, predictions, keys, printed } in golden().triviaqa {
        fs::write(&path, file.to_string()).unwrap();
        let file = triviaqa::read(&path).unwrap();
        let gold = Gold::from(&file);
        let ids: Vec<_> = gold.questions.iter().map(|question| question.id.to_string()).collect();
        assert_eq!(ids, keys.iter().map(|(key, ..)| key.clone()).collect::<Vec<_>>());
        let found = evaluate(Rules::TriviaQa, &gold, &predictions, &HashSet::new()).unwrap();
        for ((score, question), (key, exact_match, f1)) in
            found.questions.iter().zip(&gold.questions).zip(&keys)
        {
            let score = score.unwrap();
            let said = format!("{key}: {:?} against {:?}", predictions.get(key), question.answers);
            assert_eq!(score.exact_match, *exact_match, "{said}");
            assert_eq!(score.f1.to_bits(), bits(f1), "{said}");
        }
        assert_eq!(metrics::triviaqa::Report::of(&found, predictions.len()).to_string(), printed);
        assert_eq!(
            found.unanswered,
            keys.len() - keys.iter().filter(|(key, ..)| predictions.get(key).is_some()).count()
        );
    }
}
