//! Data made of other data, through `longqa reproduce` and with the real files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use longqa::corpus::without::{self, Expected};
use longqa::corpus::{held_out, squad, wikitext};
use serde_json::{Value, json};

mod support;

const DATA: &str = include_str!("experiments/data.toml");

fn reproduce(place: &Path, experiment: &str) -> Output {
    fs::write(place.join("x.toml"), experiment).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
    command
        .current_dir(place)
        .args(["reproduce", "x.toml"])
        .env_remove("LONGQA_STORE")
        .env_remove("RUST_LOG");
    command.output().unwrap()
}

/// The folder of the one finished stage of that kind.
fn only_stage(place: &Path, kind: &str) -> PathBuf {
    let stages = fs::read_dir(place.join("store").join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let stages: Vec<PathBuf> = stages.filter(|path| path.join("stage.json").is_file()).collect();
    assert_eq!(stages.len(), 1, "{kind}");
    stages[0].clone()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_model_is_trained_on_data_made_of_other_data() {
    let place = tempfile::tempdir().unwrap();
    let output = reproduce(place.path(), DATA);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains(
        "fewer: 1 of 3 paragraphs left out with 2 of 6 questions; 2 paragraphs and 4 questions are left"
    ));
    assert!(log.contains("text: 4 of 18 articles held out, "), "{log}");

    let fewer = only_stage(place.path(), "without");
    let expected = json!({
        "before": {"paragraphs": 3, "questions": 6},
        "left_out": {"paragraphs": 1, "questions": 2},
        "left": {"paragraphs": 2, "questions": 4},
    });
    assert_eq!(json_of(&fewer.join("stage.json"))["measures"], expected);
    assert_eq!(json_of(&fewer.join("output/counts.json")), expected);
    let left = json_of(&fewer.join("output/questions.json"));
    let titles = left["data"].as_array().unwrap().iter().map(|article| &article["title"]);
    assert_eq!(titles.collect::<Vec<_>>(), ["dev-00001", "dev-00002"]);

    let text = only_stage(place.path(), "held-out");
    let counts = json_of(&text.join("output/counts.json"));
    assert_eq!(json_of(&text.join("stage.json"))["measures"], counts);
    let [train, out] =
        ["train.raw", "held-out.raw"].map(|name| wikitext::read(&text.join("output").join(name)));
    let (train, out) = (train.unwrap(), out.unwrap());
    assert_eq!((wikitext::articles(&train).len(), wikitext::articles(&out).len()), (14, 4));
    assert_eq!(
        (&counts["train"]["bytes"], &counts["held_out"]["bytes"]),
        (&json!(train.len()), &json!(out.len()))
    );

    let again = reproduce(place.path(), DATA);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to run"));
}

#[test]
fn another_count_than_expected_fails_before_anything_is_trained_on_it() {
    let place = tempfile::tempdir().unwrap();
    let output = reproduce(place.path(), &DATA.replace("expected_questions = 4", "expected_questions = 5"));
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("dev-v1.1.json: expected 5 questions to be left, found 4"), "{log}");
    assert!(!place.path().join("store/finetune").exists());
}

#[test]
fn squad_dev_without_xquad_has_the_paragraphs_and_questions_counted_elsewhere() {
    let Some(mirror) = support::mirror() else { return };
    let questions = mirror.join("squad/dev-v1.1.json");
    let expected = Expected { paragraphs: Some(2_067 - 240), questions: Some(9_380) };
    // XQuAD's German has other text, but the ids of the same questions.
    for language in ["en", "de"] {
        let other = mirror.join(format!("xquad/xquad.{language}.json"));
        let (articles, counts) = without::leave_out(&questions, &[&other], expected).unwrap();
        assert_eq!((counts.before.paragraphs, counts.before.questions), (2_067, 10_570));
        assert_eq!((counts.left_out.paragraphs, counts.left_out.questions), (240, 1_190));
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("questions.json");
        articles.write(&path).unwrap();
        let (left, all, other) = (squad::read(&path), squad::read(&questions), squad::read(&other).unwrap());
        let asked: BTreeSet<&str> = other.questions.iter().map(|question| question.id.as_str()).collect();
        let kept = all.unwrap().only(|question| !asked.contains(question.id.as_str()));
        assert_eq!(left.unwrap(), kept, "answers and all");
    }
}

#[test]
fn a_tenth_of_the_real_text_is_held_out_in_whole_articles() {
    let Some(mirror) = support::mirror() else { return };
    let texts = ["wiki.test.raw", "wikitext-2-v1.valid.txt"].map(|name| mirror.join("wikitext").join(name));
    let texts = [texts[0].as_path(), texts[1].as_path()];
    let place = tempfile::tempdir().unwrap();
    let [train, out] = ["train.raw", "held-out.raw"].map(|name| place.path().join(name));
    let counts = held_out::write(&texts, 0.1, &train, &out).unwrap();
    assert_eq!((counts.train.articles, counts.held_out.articles), (108, 12));
    let (characters, bytes) = (counts.held_out.characters, counts.held_out.bytes + counts.train.bytes);
    assert_eq!(bytes, 1_290_590 + 1_121_681);
    let share = characters as f64 / (characters + counts.train.characters) as f64;
    assert!((0.09..0.11).contains(&share), "{share}");
}
