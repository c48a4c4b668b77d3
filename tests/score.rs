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
    score_as(&["--task", "squad"], ("gold.json", answers), folder, predictions)
}

/// Scores with further arguments a gold file of any name.
fn score_as(args: &[&str], (name, answers): (&str, &str), folder: &Path, predictions: &str) -> Output {
    let (gold, given) = (folder.join(name), folder.join("predictions.json"));
    fs::write(&gold, answers).unwrap();
    fs::write(&given, predictions).unwrap();
    Command::new(env!("CARGO_BIN_EXE_longqa"))
        .args(["score", "--gold"])
        .arg(gold)
        .arg("--predictions")
        .arg(given)
        .args(args)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

/// What a run that should succeed printed, and what it said beside.
fn printed(output: Output) -> (String, String) {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    (String::from_utf8(output.stdout).unwrap(), stderr)
}

/// What a run that should fail said.
fn refused(output: Output, code: i32) -> String {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty());
    stderr
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

#[test]
fn questions_that_are_left_out_count_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("left_out.json"), r#"["two", "four"]"#).unwrap();
    let args = ["--task", "squad", "--left-out", "left_out.json"];
    let predictions = r#"{"one": "Mira in Oslo", "two": "x"}"#;
    let (stdout, stderr) = printed(score_as(&args, ("gold.json", GOLD), folder.path(), predictions));
    assert_eq!(stdout, "{\"exact_match\": 50.0, \"f1\": 50.0, \"total\": 2}\n");
    assert!(stderr.contains("1 of 2 questions have no prediction"), "{stderr}");
    assert!(stderr.contains("1 of 2 ids to leave out name no question"), "{stderr}");
    assert!(!stderr.contains("predictions name no question"), "{stderr}");
    fs::write(folder.path().join("left_out.json"), r#"{"two": 1}"#).unwrap();
    let said = refused(score_as(&args, ("gold.json", GOLD), folder.path(), predictions), 1);
    assert!(said.contains("left_out.json: expected one JSON list of question ids"), "{said}");
}

#[test]
fn joined_contexts_have_one_question_each() {
    let folder = tempfile::tempdir().unwrap();
    let score =
        |args: &[&str]| score_as(args, ("gold.json", GOLD), folder.path(), r#"{"one": "Mira in Oslo"}"#);
    for args in [&["--task", "sq3"][..], &["--task", "xq3", "--language", "en", "--n_concat", "16"]] {
        assert_eq!(printed(score(args)).0, "{\"exact_match\": 100.0, \"f1\": 100.0, \"total\": 1}\n");
    }
    let said = refused(score(&["--task", "squad", "--n_concat", "5"]), 1);
    assert!(said.contains("n_concat: expected 1, as only sq3 and xq3 join contexts, found 5"), "{said}");
    refused(score(&["--task", "sq3", "--n_concat", "0"]), 2);
    let said = refused(score(&["--task", "hotpotqa"]), 2);
    assert!(said.contains("[possible values: squad, sq3, xquad, xq3, mlqa, tydiqa, triviaqa]"), "{said}");
}

#[test]
fn mlqa_is_scored_in_the_language_of_the_contexts() {
    let folder = tempfile::tempdir().unwrap();
    let gold = r#"{"data": [{"paragraphs": [{"context": "Das Rote Haus in Köln",
        "qas": [{"id": "one", "question": "?", "answers": [{"answer_start": 4, "text": "Rote Haus"}]}]}]}]}"#;
    let score = |name: &str, args: &[&str]| {
        let args = [&["--task", "mlqa"], args].concat();
        score_as(&args, (name, gold), folder.path(), r#"{"one": "das „Rote“ Haus"}"#)
    };
    let right = "{\"exact_match\": 100.0, \"f1\": 100.0, \"total\": 1}\n";
    let wrong = "{\"exact_match\": 0.0, \"f1\": 80.0, \"total\": 1}\n";
    let mixed = "test-context-de-question-en.json";
    assert_eq!(printed(score(mixed, &[])).0, right);
    assert_eq!(printed(score(mixed, &["--language", "en", "--context-language", "de"])).0, right);
    assert_eq!(printed(score("gold.json", &["--language", "en", "--context-language", "de"])).0, right);
    assert_eq!(printed(score("gold.json", &["--language", "en"])).0, wrong);
    let said = refused(score(mixed, &["--language", "de"]), 1);
    assert!(said.contains("language: expected en, as the file's name says, found de"), "{said}");
    let said = refused(score("gold.json", &[]), 1);
    assert!(said.contains("gold.json: expected a name as in dev-context-ar-question-es.json"), "{said}");
    let said = refused(score("gold.json", &["--language", "fr"]), 1);
    assert!(said.contains("language: expected one of MLQA's"), "{said}");
}

#[test]
fn tydi_qa_is_scored_whole_by_language_and_in_one_language() {
    let folder = tempfile::tempdir().unwrap();
    let gold = |ids: [&str; 3]| {
        let question =
            |id: &str| json!({"id": id, "question": "?", "answers": [{"answer_start": 0, "text": "Mira"}]});
        json!({"data": [{"paragraphs": [{"context": "Mira", "qas": ids.map(question)}]}]}).to_string()
    };
    let predictions = r#"{"english-1-0": "Mira", "telugu--2-1": "Mira", "korean-3-0": "x"}"#;
    let score = |gold: &str, args: &[&str]| {
        let args = [&["--task", "tydiqa"], args].concat();
        score_as(&args, ("gold.json", gold), folder.path(), predictions)
    };
    let all = gold(["english-1-0", "telugu--2-1", "korean-3-0"]);
    assert_eq!(
        printed(score(&all, &[])).0,
        "{\"exact_match\": 66.66666666666667, \"f1\": 66.66666666666667, \"total\": 3, \
         \"outside_english\": {\"exact_match\": 50.0, \"f1\": 50.0}, \
         \"by_language\": {\"en\": {\"exact_match\": 100.0, \"f1\": 100.0, \"total\": 1}, \
         \"ko\": {\"exact_match\": 0.0, \"f1\": 0.0, \"total\": 1}, \
         \"te\": {\"exact_match\": 100.0, \"f1\": 100.0, \"total\": 1}}}\n"
    );
    let (stdout, stderr) = printed(score(&all, &["--language", "te"]));
    assert_eq!(stdout, "{\"exact_match\": 100.0, \"f1\": 100.0, \"total\": 1}\n");
    assert!(stderr.contains("2 predictions name no question"), "{stderr}");
    let said = refused(score(&all, &["--language", "fi"]), 1);
    assert!(said.contains("gold.json: expected questions in finnish, found none"), "{said}");
    let said = refused(score(&gold(["english-1-0", "telugu-1-1", "korean-3-0"]), &[]), 1);
    assert!(
        said.contains("\"telugu-1-1\": expected an example in one language, found \"english-1-0\" too"),
        "{said}"
    );
    let said = refused(score(&gold(["english-1-0", "thai-2-1", "korean-3-0"]), &[]), 1);
    assert!(said.contains("gold.json: question \"thai-2-1\": expected an id"), "{said}");
}

#[test]
fn triviaqa_is_scored_by_question_or_by_document() {
    let folder = tempfile::tempdir().unwrap();
    let gold = |domain: &str| {
        let pages = json!([{"Filename": "Oslo.txt"}, {"Filename": "Norway.txt"}]);
        let answer = json!({"NormalizedAliases": ["oslo", "city of oslo"], "HumanAnswers": ["in Oslo"]});
        let question = json!({"QuestionId": "tc_1", "Question": "?", "Answer": answer, "EntityPages": pages});
        json!({"Domain": domain, "VerifiedEval": false, "Version": 1.0, "Data": [question]}).to_string()
    };
    let predictions = r#"{"tc_1": "The City-of-Oslo", "tc_1--Oslo.txt": "in Norway"}"#;
    let score = |domain: &str, predictions: &str| {
        score_as(&["--task", "triviaqa"], ("qa.json", &gold(domain)), folder.path(), predictions)
    };
    assert_eq!(
        printed(score("Wikipedia", predictions)).0,
        "{\"exact_match\": 100.0, \"f1\": 100.0, \"common\": 1, \"denominator\": 1, \"pred_len\": 2, \"gold_len\": 1}\n"
    );
    let (stdout, stderr) = printed(score("Web", predictions));
    assert_eq!(
        stdout,
        "{\"exact_match\": 0.0, \"f1\": 25.0, \"common\": 1, \"denominator\": 2, \"pred_len\": 2, \"gold_len\": 2}\n"
    );
    assert!(stderr.contains("1 of 2 questions have no prediction"), "{stderr}");
    assert!(stderr.contains("1 predictions name no question"), "{stderr}");
    let said = refused(score("Press", predictions), 1);
    assert!(said.contains("qa.json") && said.contains("Domain"), "{said}");
}
