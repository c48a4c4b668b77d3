//! Scores against `golden/squad_metrics.json`: what Python gives, bit for bit.

use std::collections::{BTreeMap, HashSet};

use longqa::corpus::{Answer, QaDataset, Question};
use longqa::digest::Digest;
use longqa::qa::metrics::{as_python_prints, evaluate, score};
use longqa::qa::{Evaluation, Gold, Predictions, QaError, Rules};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    python: String,
    printed: String,
    exact_match: String,
    f1: String,
    total: usize,
    questions: Vec<GoldenQuestion>,
    representations: Vec<(String, String)>,
    characters: Characters,
}

#[derive(Deserialize)]
struct GoldenQuestion {
    id: String,
    prediction: Option<String>,
    golds: Vec<String>,
    exact_match: bool,
    f1: String,
}

#[derive(Deserialize)]
struct Characters {
    assigned: Vec<(u32, u32)>,
    blocks: Vec<(u32, String)>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/squad_metrics.json")).unwrap()
}

fn bits(hex: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(hex, 16).unwrap())
}

fn dataset(golden: &Golden) -> QaDataset {
    let answer = |text: &String| Answer { text: text.clone(), start: 0 };
    let question = |question: &GoldenQuestion| Question {
        id: question.id.clone(),
        text: String::new(),
        context: 0,
        answers: question.golds.iter().map(answer).collect(),
    };
    QaDataset { contexts: vec![String::new()], questions: golden.questions.iter().map(question).collect() }
}

fn predictions(golden: &Golden) -> Predictions {
    let given = golden.questions.iter().filter_map(|q| Some((q.id.clone(), q.prediction.clone()?)));
    given.chain([("nobody-asked".to_owned(), "this".to_owned())]).collect()
}

fn evaluated(dataset: &QaDataset, predictions: &Predictions) -> Result<Evaluation, QaError> {
    evaluate(Rules::Squad, &Gold::from(dataset), predictions, &HashSet::new())
}

#[test]
fn every_nasty_answer_scores_as_in_python_to_the_last_bit() {
    let golden = golden();
    for question in &golden.questions {
        let Some(prediction) = &question.prediction else { continue };
        let found = score(Rules::Squad, prediction, question.golds.iter().map(String::as_str));
        let context = format!("{prediction:?} against {:?}, Python {}", question.golds, golden.python);
        assert_eq!(found.exact_match, question.exact_match, "{context}");
        assert_eq!(found.f1.to_bits(), bits(&question.f1).to_bits(), "{context}");
    }
}

#[test]
fn the_totals_are_pythons_to_the_last_bit_and_so_is_the_printed_line() {
    let golden = golden();
    let evaluation = evaluated(&dataset(&golden), &predictions(&golden)).unwrap();
    assert_eq!(evaluation.scores.exact_match.to_bits(), bits(&golden.exact_match).to_bits());
    assert_eq!(evaluation.scores.f1.to_bits(), bits(&golden.f1).to_bits());
    assert_eq!(evaluation.scores.total, golden.total);
    assert_eq!(evaluation.unanswered, golden.questions.iter().filter(|q| q.prediction.is_none()).count());
    assert_eq!(evaluation.unknown, 1);
    let printed = evaluation.scores.to_string();
    let total = format!(", \"total\": {}}}", golden.total);
    assert_eq!(printed, golden.printed);
    assert!(printed.ends_with(&total));
}

#[test]
fn floats_print_as_in_python() {
    for (number, printed) in golden().representations {
        assert_eq!(as_python_prints(bits(&number)), printed);
    }
}

/// Lower case (final sigma and what surrounds it included), letters and numbers, and white space, of
/// every character that the golden file's Python assigns (Unicode 14; Rust and the category tables are
/// newer), but for two characters whose effect on a final sigma the Unicode standard changed since.
#[test]
fn every_character_is_treated_as_python_treats_it() {
    let Characters { assigned, blocks } = golden().characters;
    let mut lines: BTreeMap<u32, String> = BTreeMap::new();
    for c in assigned.iter().flat_map(|(start, end)| *start..*end).filter_map(char::from_u32) {
        let probes = [
            c.to_string(),
            format!("a{c}Σ"),
            format!("Σ{c}a"),
            format!("aΣ{c}"),
            format!("{c}Σ"),
            format!("a{c} the{c}"),
        ];
        let lowered: Vec<_> = probes.iter().map(|probe| probe.to_lowercase()).collect();
        let space = Rules::Squad.normalize(&format!("x{c}y")) == "x y";
        // The article goes unless what follows belongs to its word.
        let word =
            Rules::Squad.normalize(&format!("a{c}q")).starts_with('a') && !space && !c.is_ascii_punctuation();
        let normalized = Rules::Squad.normalize(&probes[5]);
        let line = format!(
            "{:x} {}{} {}|{normalized}\n",
            c as u32,
            u8::from(word),
            u8::from(space),
            lowered.join("|")
        );
        lines.entry(c as u32 & !0xfff).or_default().push_str(&line);
    }
    assert_eq!(lines.len(), blocks.len());
    for (block, expected) in blocks {
        let found = Digest::of_bytes(lines[&block].as_bytes()).to_string();
        assert_eq!(found[..16], expected, "a character of the 4096 from U+{block:04X} on differs");
    }
}

#[test]
fn a_question_nobody_answered_needs_no_gold_answer() {
    let question = Question { id: "q".to_owned(), text: String::new(), context: 0, answers: Vec::new() };
    let dataset = QaDataset { contexts: vec![String::new()], questions: vec![question] };
    let none = evaluated(&dataset, &Predictions::default()).unwrap();
    assert_eq!((none.scores.exact_match, none.scores.f1, none.unanswered), (0.0, 0.0, 1));
    let some = Predictions::from_iter([("q".to_owned(), "x".to_owned())]);
    assert!(matches!(evaluated(&dataset, &some), Err(QaError::NoGoldAnswer { id }) if id == "q"));
}

#[test]
fn no_questions_have_no_mean() {
    let error = evaluated(&QaDataset::default(), &Predictions::default());
    assert!(matches!(error, Err(QaError::NoQuestions)));
}
