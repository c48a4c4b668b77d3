//! `protocol = "sagen-2021"` from a file of questions to scores, as a user runs it, and stopped midway.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use longqa::corpus::{Reading, Task, squad};
use longqa::interrupt::Interrupt;
use longqa::model::Attention;
use longqa::qa::{NbestPredictions, Predictions};
use longqa::text::Protocol;
use longqa::train::TrainError;
use longqa::train::finetune::{self, FinetuneInputs};
use longqa::train::run::{Event, Session};
use longqa::train::settings::{FinetuneSettings, Optimization};
use serde_json::{Value, json};
use tch::Device;

mod support;
use support::tiny;

const RIVERS: [&str; 6] = ["Elbe", "Loire", "Tisza", "Oder", "Drava", "Rhone"];

/// A file of questions in which one answer begins with a space, which no token spans, and the answer to
/// another stands so far behind that it is cut off.
fn questions(folder: &Path) -> PathBuf {
    let context: String =
        RIVERS.iter().map(|river| format!("The river {river} is near the town . ")).collect();
    let long = format!("{}{context}", "The town is old . ".repeat(20));
    let question = |id: String, context: &str, answer: String| {
        let start = context[..context.find(&answer).unwrap()].chars().count();
        json!({"id": id, "question": "Which river ?", "answers": [{"text": answer, "answer_start": start}]})
    };
    let mut near: Vec<Value> =
        RIVERS.iter().map(|river| question(river.to_string(), &context, river.to_string())).collect();
    near.push(question("space".into(), &context, " Oder".into()));
    let far = [question("far".into(), &long, "Elbe".into())];
    let file = json!({"version": "1.1", "data": [{"title": "T", "paragraphs": [
        {"context": context, "qas": near}, {"context": long, "qas": far}
    ]}]});
    let path = folder.join("questions.json");
    fs::write(&path, file.to_string()).unwrap();
    path
}

fn longqa(arguments: &[&str], paths: &[(&str, &Path)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
    command.args(arguments).env_remove("RUST_LOG").env("OMP_NUM_THREADS", "1");
    paths.iter().for_each(|(flag, path)| {
        command.arg(flag).arg(path);
    });
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap() + &stderr
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn questions_left_out_are_named_and_the_others_answered_and_scored() {
    let place = tempfile::tempdir().unwrap();
    let model = tiny::long_model(place.path(), &tiny::text(place.path(), 60), 0.1);
    let file = questions(place.path());
    let (tuned, answers) = (place.path().join("tuned"), place.path().join("answers"));

    let settings =
        "--protocol sagen-2021 --attention dense --max_length 64 --num_train_epochs 2 --learning_rate 1e-3";
    let arguments: Vec<&str> = "finetune".split(' ').chain(settings.split(' ')).collect();
    let said = longqa(&arguments, &[("--model", &model), ("--train_file", &file), ("--output_dir", &tuned)]);
    assert!(said.contains("questions.json: 1 of 8 questions left out"), "{said}");
    assert_eq!(json(&tuned.join("left_out.json")), json!(["space"]));
    let config = json(&tuned.join("config.json"));
    assert_eq!((&config["model_type"], config.get("attention_window")), (&json!("roberta"), None));

    let arguments = ["predict", "--protocol", "sagen-2021", "--max_length", "64"];
    let said = longqa(&arguments, &[("--model", &tuned), ("--input", &file), ("--output", &answers)]);
    assert!(said.contains("1 of 8 questions left out"), "{said}");
    assert_eq!(json(&answers.join("left_out.json")), json!(["space"]));
    let best = Predictions::read(&answers.join("predictions.json")).unwrap();
    let ids: Vec<&str> = best.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [&RIVERS[..], &["far"]].concat());
    let nbest = NbestPredictions::read(&answers.join("nbest_predictions.json")).unwrap();
    for (id, candidates) in &nbest.questions {
        let [only] = &candidates[..] else { panic!("{id}: one answer") };
        assert_eq!((Some(only.text.as_str()), only.probability), (best.get(id), 1.0));
    }

    let (best, left_out) = (answers.join("predictions.json"), answers.join("left_out.json"));
    let paths = [("--gold", file.as_path()), ("--predictions", &best), ("--left_out", &left_out)];
    let scores = longqa(&["score", "--task", "squad"], &paths);
    assert!(scores.contains("\"exact_match\"") && scores.contains("\"total\": 7"), "{scores}");

    // The standard protocol leaves nothing out, and says so in the same place.
    let arguments = ["predict", "--max_length", "64", "--max_question_length", "16"];
    longqa(&arguments, &[("--model", &tuned), ("--input", &file), ("--output", &answers)]);
    assert_eq!(json(&answers.join("left_out.json")), json!([]));
    assert_eq!(Predictions::read(&answers.join("predictions.json")).unwrap().len(), 8);
}

#[test]
fn fine_tuning_stopped_midway_ends_with_the_same_bits_and_learns() {
    tch::set_num_threads(1);
    let place = tempfile::tempdir().unwrap();
    let model = tiny::long_model(place.path(), &tiny::text(place.path(), 60), 0.1);
    let file = questions(place.path());
    let dataset = squad::read(&file).unwrap();
    let settings = FinetuneSettings {
        optimization: Optimization {
            learning_rate: 2e-3,
            per_device_train_batch_size: 2,
            gradient_accumulation_steps: 2,
            logging_steps: 1,
            ..FinetuneSettings::default().optimization
        },
        num_train_epochs: 12.0,
        max_length: tiny::MAX_LENGTH,
        protocol: Protocol::Sagen2021,
        do_lowercase: true,
        attention: Attention::Dense,
        ..FinetuneSettings::default()
    };
    let finetune = |name: &str, interrupt: &Interrupt, observe: &mut dyn FnMut(&Event)| {
        let output = place.path().join(name);
        let inputs = FinetuneInputs {
            model: &model,
            train: &dataset,
            train_file: &file,
            questions: &Reading::of(Task::Squad),
        };
        let mut session = Session { interrupt, clock: &|| 0.0, observe };
        finetune::run(&inputs, &settings, &output, &output, Device::Cpu, &mut session).map(|()| output)
    };
    let mut losses = Vec::new();
    let whole = finetune("whole", &Interrupt::default(), &mut |event| {
        if let Event::Measured { figures, .. } = event {
            losses.push(figures[0].1);
        }
    });
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[losses.len() - 4..]) < 0.9 * mean(&losses[..4]), "{losses:?}");

    let interrupt = Interrupt::default();
    let mut stop = |event: &Event| {
        if matches!(event, Event::Stepped { step: 7, .. }) {
            interrupt.request();
        }
    };
    let stopped = finetune("stopped", &interrupt, &mut stop);
    assert!(matches!(stopped, Err(TrainError::Interrupted(_))), "{stopped:?}");
    let ended = finetune("stopped", &Interrupt::default(), &mut |_| {}).unwrap();
    assert_eq!(tiny::weights(&ended), tiny::weights(&whole.unwrap()));
}
