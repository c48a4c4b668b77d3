//! Training step by step against transformers and PyTorch: golden losses made by `tests/golden/training.py`
//! from the batches that `longqa bench batches` hands out; and what it hands out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use longqa::model::weights;
use serde_json::{Map, Value, json};

/// Largest difference of two losses of one step; they are about 4.
const ROUNDING: f64 = 1e-5;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(path: PathBuf) -> Map<String, Value> {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The tiny BERT of `model_parity`, without dropout, which no two programs draw alike.
fn model(folder: &Path) -> PathBuf {
    let model = folder.join("bert");
    fs::create_dir(&model).unwrap();
    fs::copy(golden("model_parity/bert/model.safetensors"), model.join("model.safetensors")).unwrap();
    fs::copy(golden("training/tokenizer.json"), model.join("tokenizer.json")).unwrap();
    let mut config = read(golden("model_parity/bert/config.json"));
    for dropout in ["hidden_dropout_prob", "attention_probs_dropout_prob"] {
        config.insert(dropout.to_owned(), json!(0.0));
    }
    fs::write(model.join("config.json"), json!(config).to_string()).unwrap();
    model
}

fn try_longqa(folder: &Path, command: &str, paths: &[(&str, &Path)], flags: &Value) -> Output {
    let paths = paths.iter().map(|(name, path)| format!("--{name}={}", path.display()));
    let flags = flags.as_object().unwrap().iter().map(|(name, value)| format!("--{name}={value}"));
    Command::new(env!("CARGO_BIN_EXE_longqa"))
        .args(["-q", "--device=cpu"])
        .args(command.split(' '))
        .args(paths.chain(flags))
        .env("OMP_NUM_THREADS", "1")
        .env("LONGQA_CACHE", folder.join("cache"))
        .output()
        .unwrap()
}

fn longqa(folder: &Path, command: &str, paths: &[(&str, &Path)], flags: &Value) -> String {
    let output = try_longqa(folder, command, paths, flags);
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn losses(run: &Path) -> Vec<f64> {
    let lines = fs::read_to_string(run.join(longqa::train::METRICS)).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Map<String, Value>>(line).unwrap());
    lines.filter_map(|line| line.get("loss")?.as_f64()).collect()
}

fn assert_follows(ours: &[f64], theirs: &Value) {
    let theirs: Vec<f64> = serde_json::from_value(theirs.clone()).unwrap();
    assert_eq!(ours.len(), theirs.len());
    for (step, (our, their)) in ours.iter().zip(&theirs).enumerate() {
        assert!((our - their).abs() <= ROUNDING, "step {step}: {our}, of transformers {their}");
    }
    assert!(theirs.last() < theirs.first(), "nothing was learned: {theirs:?}");
}

#[test]
fn every_loss_of_fine_tuning_a_bert_is_that_of_transformers() {
    let folder = tempfile::tempdir().unwrap();
    let golden_run = read(golden("training/losses.json"));
    let (model, questions) = (model(folder.path()), golden("training/questions.json"));
    let run = folder.path().join("run");
    let paths = [("model", &*model), ("train_file", &*questions), ("output_dir", &*run)];
    longqa(folder.path(), "finetune", &paths, &with_every_loss(&golden_run["finetune_flags"]));
    assert_follows(&losses(&run), &golden_run["finetune"]);
}

#[test]
fn every_loss_of_pretraining_a_converted_bert_is_that_of_transformers_longformer() {
    let folder = tempfile::tempdir().unwrap();
    let golden_run = read(golden("training/losses.json"));
    let (model, text) = (model(folder.path()), golden("training/text.raw"));
    let (long, run) = (folder.path().join("long"), folder.path().join("run"));
    longqa(folder.path(), "convert", &[("from", &model), ("to", &long)], &golden_run["convert_flags"]);
    let paths =
        [("model", &*long), ("train_file_path", &*text), ("val_file_path", &*text), ("output_dir", &*run)];
    longqa(folder.path(), "pretrain", &paths, &with_every_loss(&golden_run["pretrain_flags"]));
    assert_follows(&losses(&run), &golden_run["pretrain"]);
}

fn with_every_loss(flags: &Value) -> Value {
    let mut flags = flags.clone();
    flags["logging_steps"] = json!(1);
    flags
}

#[test]
fn what_is_handed_out_opens_again_and_its_labels_are_the_answers() {
    let folder = tempfile::tempdir().unwrap();
    let flags = &read(golden("training/losses.json"))["finetune_flags"];
    let (model, questions) = (model(folder.path()), golden("training/questions.json"));
    let same = folder.path().join("same");
    let paths = [("model", &*model), ("train_file", &*questions), ("output", &*same)];
    let said = longqa(folder.path(), "bench batches finetune --steps=2", &paths, flags);
    assert!(said.contains("sequences_per_step: 6\n"), "{said}");
    let lengths = json!({"max_length": flags["max_length"], "doc_stride": flags["doc_stride"], "max_question_length": 9});
    let opened = same.join("model");
    let paths = [("model", &*opened), ("input", &*questions), ("output", &*same)];
    longqa(folder.path(), "bench batches predict", &paths, &lengths);

    let windows = fs::read_to_string(same.join("windows.jsonl")).unwrap();
    let windows: Vec<Value> = windows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(said.contains(&format!("sequences: {}\n", windows.len())), "{said}");
    let answers = answers(&read(questions));
    let batches = weights::read(&same.join("batches.safetensors")).unwrap();
    let numbers = |name: &str| Vec::<Vec<i64>>::try_from(batches.tensor(name).unwrap()).unwrap();
    let labels = |name: &str| Vec::<i64>::try_from(batches.tensor(name).unwrap()).unwrap();
    let mut answered = 0;
    for pass in ["0.0", "1.0"] {
        let names =
            ["input_ids", "attention_mask", "token_type_ids"].map(|name| numbers(&format!("{pass}.{name}")));
        let [starts, ends] =
            ["start_positions", "end_positions"].map(|name| labels(&format!("{pass}.{name}")));
        let [input_ids, real, types] = names;
        for row in 0..input_ids.len() {
            let length = real[row].iter().sum::<i64>() as usize;
            let window = windows.iter().find(|window| window["input_ids"] == json!(input_ids[row][..length]));
            let window = window.expect("a window of the file");
            let first = window["context_position"].as_u64().unwrap() as usize;
            assert_eq!(types[row][first - 1..=first], [0, 1]);
            let [start, end] = [starts[row], ends[row]].map(|label| label as usize);
            if start > 0 {
                let offsets = &window["context_offsets"];
                let span = [&offsets[start - first][0], &offsets[end - first][1]]
                    .map(|place| place.as_u64().unwrap());
                assert_eq!(answers[window["question_id"].as_str().unwrap()], json!(span));
                answered += 1;
            }
        }
    }
    assert!(answered > 2, "{answered}");
}

/// Where the answer of each question stands, by the question's id.
fn answers(questions: &Map<String, Value>) -> Map<String, Value> {
    let paragraphs = questions["data"][0]["paragraphs"].as_array().unwrap();
    let of = |paragraph: &Value| {
        let (question, answer) = (&paragraph["qas"][0], &paragraph["qas"][0]["answers"][0]);
        let start = answer["answer_start"].as_u64().unwrap();
        let end = start + answer["text"].as_str().unwrap().len() as u64;
        (question["id"].as_str().unwrap().to_owned(), json!([start, end]))
    };
    paragraphs.iter().map(of).collect()
}

#[test]
fn what_has_no_windows_is_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let (model, questions) = (model(folder.path()), golden("training/questions.json"));
    let paths = [("model", &*model), ("train_file", &*questions), ("output", folder.path())];
    let refused = try_longqa(folder.path(), "bench batches finetune --task=triviaqa", &paths, &json!({}));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("--task: expected") && message.contains("triviaqa"), "{message}");
    let paths = [("model", &*model), ("input", &*questions), ("output", folder.path())];
    let refused =
        try_longqa(folder.path(), "bench batches predict", &paths, &json!({"protocol": "sagen-2021"}));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("protocol: expected standard"), "{message}");
}
