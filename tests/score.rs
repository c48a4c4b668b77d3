//! `longqa score` as a user runs it, and the files it reads.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use longqa::qa::{NbestAnswer, NbestPredictions, Predictions, QaError};
use serde_json::json;

const GOLD: &str = r#"{"version": "1.1", "data": [{"title": "T", "paragraphs": [{"context": "Mira in Oslo. Ивo in Рим.",
    "qas": [
        {"id": "one", "question": "?", "answers": [{"answer_start": 0, "text": "Mira in Oslo"}]},
        {"id": "two", "question": "?", "answers": [{"answer_start": 14, "text": "Ивo in Рим"}]},
        {"id": "three", "question": "?", "answers": [{"answer_start": 8, "text": "Oslo"}]}
    ]}]}]}"#;

fn score(folder: &Path, predictions: &str) -> Output {
    score_against(GOLD, folder, predictions)
}

fn score_against(answers: &str, folder: &Path, predictions: &str) -> Output {
    let (gold, given) = (folder.join("gold.json"), folder.join("predictions.json"));
    fs::write(&gold, answers).unwrap();
    fs::write(&given, predictions).unwrap();
    Command::new(env!("CARGO_BIN_EXE_longqa"))
        .args(["score", "--task", "squad", "--gold"])
        .arg(gold)
        .arg("--predictions")
        .arg(given)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

#[test]
fn the_scores_are_one_json_object_and_the_oddities_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let output = score(folder.path(), r#"{"one": "the mira, in", "two": "ИВO IN РИМ!", "four": "x"}"#);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    // (0.8 + 1) / 3 and 1 / 3, as Python prints them.
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout, "{\"exact_match\": 33.333333333333336, \"f1\": 60.0, \"total\": 3}\n");
    assert!(stderr.contains("1 of 3 questions have no prediction"), "{stderr}");
    assert!(stderr.contains("1 predictions name no question"), "{stderr}");
}

#[test]
fn answers_beside_their_answer_start_are_told_once_with_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let moved = GOLD.replace("\"answer_start\": 14", "\"answer_start\": 15");
    let moved = moved.replace("\"answer_start\": 8", "\"answer_start\": 6");
    let output = score_against(&moved, folder.path(), r#"{"one": "", "two": "Ивo in Рим", "three": "oslo"}"#);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches("gold.json: 2 of 3 answers stand one or two characters beside").count(), 1);
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"exact_match\": 66.66666666666667"));
}

#[test]
fn a_predictions_file_of_another_layout_fails_and_says_where() {
    for (predictions, said) in [
        ("", "EOF"),
        ("{\"one\": \"Mi", "EOF"),
        ("[\"one\"]", "expected an object of strings"),
        ("{\"one\": null}", "answer to \"one\": expected a string, found null"),
        ("{\"one\": [\"Mira\"]}", "found a list"),
        ("{\"one\": \"\\ud800\"}", "hex escape"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = score(folder.path(), predictions);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{predictions}");
        assert!(output.stdout.is_empty(), "{predictions}");
        assert!(stderr.contains("predictions.json") && stderr.contains(said), "{predictions}: {stderr}");
    }
}

#[test]
fn bytes_that_are_no_text_and_files_that_are_not_there_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.json");
    assert!(matches!(Predictions::read(&path), Err(QaError::Read { .. })));
    fs::write(&path, b"{\"one\": \"\xff\"}").unwrap();
    assert!(matches!(Predictions::read(&path), Err(QaError::Layout { .. })));
    assert!(matches!(Predictions::read(folder.path()), Err(QaError::Read { .. })));
}

#[test]
fn of_an_id_given_twice_the_last_text_counts_as_in_python() {
    let read: Predictions = serde_json::from_str(r#"{"a": "1", "b": "2", "a": "3"}"#).unwrap();
    assert_eq!(read.iter().collect::<Vec<_>>(), [("a", "3"), ("b", "2")]);
}

#[test]
fn both_files_have_the_official_layout_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let answer = |text: &str, probability| NbestAnswer {
        text: text.into(),
        probability,
        start_logit: 0.1,
        end_logit: -2.0,
    };
    let questions = vec![
        ("z".to_owned(), vec![answer("Ὀδυσσεύς \"e\u{301}\"\n", 0.75), answer("b", 0.25)]),
        ("a".to_owned(), vec![answer("", 1.0)]),
    ];
    let nbest = NbestPredictions { questions };
    let (best_path, nbest_path) =
        (folder.path().join("predictions.json"), folder.path().join("nbest_predictions.json"));
    nbest.best().write(&best_path).unwrap();
    nbest.write(&nbest_path).unwrap();
    assert_eq!(Predictions::read(&best_path).unwrap(), nbest.best());
    assert_eq!(NbestPredictions::read(&nbest_path).unwrap(), nbest);
    let text = fs::read_to_string(&best_path).unwrap();
    assert_eq!(text, "{\n    \"z\": \"Ὀδυσσεύς \\\"e\u{301}\\\"\\n\",\n    \"a\": \"\"\n}\n");
    let value: serde_json::Value = serde_json::from_slice(&fs::read(&nbest_path).unwrap()).unwrap();
    assert_eq!(
        value["z"][1],
        json!({"text": "b", "probability": 0.25, "start_logit": 0.1, "end_logit": -2.0})
    );
}
