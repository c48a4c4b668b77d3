//! TriviaQA from files to predictions: the loss against golden numbers, the real sample through
//! preprocessing, training and answering, and runs that are stopped or fed nonsense.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::read::GzDecoder;
use longqa::corpus::triviaqa::{self, Domain};
use longqa::corpus::{CorpusError, Task};
use longqa::interrupt::Interrupt;
use longqa::qa::predict::PredictSettings;
use longqa::qa::{Answers, Predictions, QaError, Rules, documents};
use longqa::text::aliases::Aliases;
use longqa::text::examples::{self, ExampleSettings};
use longqa::text::{DocumentFile, Slices, TextError, Tokenizer};
use longqa::train::TrainError;
use longqa::train::documents::or_loss_sum;
use longqa::train::finetune::{self, TriviaInputs};
use longqa::train::run::{Event, Session};
use longqa::train::settings::{FinetuneSettings, Optimization};
use proptest::prelude::*;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

mod support;
use support::tiny;

/// libtorch has one generator for the whole process: two runs at once would draw from each other's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn the_loss_and_its_gradient_are_those_of_torch() {
    tch::set_num_threads(1);
    let golden: Value = serde_json::from_str(include_str!("golden/or_loss.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let numbers = |key: &str| -> Vec<Vec<f64>> { serde_json::from_value(case[key].clone()).unwrap() };
        let logits = numbers("logits");
        let lengths: Vec<usize> = serde_json::from_value(case["lengths"].clone()).unwrap();
        let right: Vec<Vec<usize>> = serde_json::from_value(case["right"].clone()).unwrap();
        let rows_of_documents: Vec<i64> = serde_json::from_value(case["rows_of_documents"].clone()).unwrap();
        let shape = [logits.len() as i64, logits[0].len() as i64];
        let marks = |mark: &dyn Fn(usize, usize) -> bool| {
            let row = |row| (0..logits[0].len()).map(move |position| mark(row, position));
            let marks: Vec<bool> = (0..logits.len()).flat_map(row).collect();
            Tensor::from_slice(&marks).view(shape)
        };
        let leaf =
            Tensor::from_slice(&logits.concat()).to_kind(Kind::Float).view(shape).set_requires_grad(true);
        let masked = leaf.masked_fill(&marks(&|row, position| position >= lengths[row]), f64::NEG_INFINITY);
        let right = marks(&|row, position| right[row].contains(&position));
        let loss = or_loss_sum(&masked, &right, &rows_of_documents).unwrap();
        loss.backward();
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-5 * expected.abs().max(1.0);
        let expected = case["loss"].as_f64().unwrap();
        assert!(close(loss.double_value(&[]), expected), "{loss:?} {expected}");
        let gradient = Vec::<f64>::try_from(leaf.grad().to_kind(Kind::Double).flatten(0, 1)).unwrap();
        for (found, expected) in gradient.into_iter().zip(numbers("gradient").concat()) {
            assert!(close(found, expected), "{found} {expected}");
        }
    }
}

/// The real sample, unpacked.
fn sample() -> Option<TempDir> {
    let archive = support::mirror()?.join("triviaqa/triviaqa-sample.tgz");
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(GzDecoder::new(fs::File::open(archive).unwrap())).unpack(folder.path()).unwrap();
    Some(folder)
}

#[test]
fn the_real_sample_is_read_whole() {
    let Some(sample) = sample() else { return };
    for (file, domain, questions, documents) in [
        ("wikipedia-train", Domain::Wikipedia, 4, 7),
        ("wikipedia-dev", Domain::Wikipedia, 2, 3),
        ("web-train", Domain::Web, 3, 7),
        ("web-dev", Domain::Web, 2, 5),
    ] {
        let path = sample.path().join(format!("qa/{file}.json"));
        let read = triviaqa::read(&path).unwrap();
        let found: Vec<_> = read.questions.iter().flat_map(|question| &question.documents).collect();
        assert_eq!(
            (read.domain, read.questions.len(), found.len()),
            (domain, questions, documents),
            "{file}"
        );
        for document in found {
            assert!(!document.text(&path, "").unwrap().is_empty());
        }
    }
}

/// Examples, documents left out, slices, right starts and right ends.
fn counts(file: &DocumentFile) -> (usize, u64, usize, usize, usize) {
    let examples: Vec<_> = (0..file.len()).map(|index| file.example(index).unwrap()).collect();
    let slices: Vec<_> = examples.iter().flat_map(|example| &example.slices).collect();
    let starts = slices.iter().map(|slice| slice.starts.len()).sum();
    let ends = slices.iter().map(|slice| slice.ends.len()).sum();
    (file.len(), file.left_out(), slices.len(), starts, ends)
}

#[test]
fn the_real_sample_becomes_training_examples() {
    let Some(sample) = sample() else { return };
    let Some(mirror) = support::mirror() else { return };
    let tokenizer = Tokenizer::from_folder(&mirror.join("tokenizers/roberta-base")).unwrap();
    let cache = sample.path().join("cache");
    let made = |file: &str, settings: &ExampleSettings| {
        let qa_file = sample.path().join(format!("qa/{file}.json"));
        let watch = &mut |_| {};
        examples::cached(&cache, &qa_file, &tokenizer, settings, &Interrupt::default(), watch).unwrap()
    };
    let long = FinetuneSettings::for_task(Task::TriviaQa);
    let short = FinetuneSettings { max_length: 512, slices: Slices::Strided, ..long.clone() };
    let (long, short) = (long.examples().unwrap(), short.examples().unwrap());
    for (file, settings, expected) in EXPECTED {
        let settings = if settings == "long" { &long } else { &short };
        assert_eq!(counts(&made(file, settings)), expected, "{file}");
    }
}

type Counts = (usize, u64, usize, usize, usize);

/// Counted apart from this crate, with the tokenizer of transformers.
const EXPECTED: [(&str, &str, Counts); 4] = [
    ("wikipedia-train", "long", (7, 0, 7, 28, 29)),
    ("wikipedia-train", "short", (7, 0, 59, 28, 29)),
    ("web-train", "long", (7, 0, 7, 17, 18)),
    ("web-train", "short", (7, 0, 38, 17, 18)),
];

proptest! {
    #[test]
    fn a_place_of_the_answer_scores_an_exact_match(
        text in "[aAbBthe é\u{301}É,'‘_–ß1\u{a0}\u{1c}\n]{0,60}",
        names in prop::collection::vec("[abthe é1–]{1,6}", 1..6),
    ) {
        let names: Vec<String> = names.iter().map(|name| Rules::TriviaQa.normalize(name)).collect();
        for place in Aliases::new(&names).places(&text) {
            let found = Rules::TriviaQa.normalize(place.of(&text));
            prop_assert!(names.contains(&found), "{:?} in {:?}", found, names);
        }
    }
}

#[test]
fn every_place_in_the_real_documents_scores_an_exact_match() {
    let Some(sample) = sample() else { return };
    let mut places = 0;
    for file in ["wikipedia-train", "wikipedia-dev", "web-train", "web-dev"] {
        let path = sample.path().join(format!("qa/{file}.json"));
        for question in triviaqa::read(&path).unwrap().questions {
            let names = question.answer.unwrap().normalized_aliases;
            for document in &question.documents {
                let text = document.text(&path, &question.id).unwrap();
                for place in Aliases::new(&names).places(&text) {
                    let found = Rules::TriviaQa.normalize(place.of(&text));
                    assert!(names.contains(&found), "{found:?} in {names:?}");
                    places += 1;
                }
            }
        }
    }
    assert!(places > 100, "{places}");
}

/// The sample and a tiny model in a folder of their own.
struct Ground {
    _alone: MutexGuard<'static, ()>,
    folder: TempDir,
    model: PathBuf,
}

impl Ground {
    fn new() -> Self {
        // These tensors are too small to share among threads.
        tch::set_num_threads(1);
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let text = tiny::text(folder.path(), 400);
        let model = tiny::long_model(folder.path(), &text, 0.1);
        Self { _alone: alone, folder, model }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of four questions, the answer of each a number in one of two documents.
    fn questions(&self, domain: &str) -> PathBuf {
        let evidence = self.at("evidence/wikipedia");
        fs::create_dir_all(&evidence).unwrap();
        fs::create_dir_all(self.at("qa")).unwrap();
        let line =
            |number: usize| format!("The river {number} meets the river 3 near the town of {number}.\n");
        fs::write(evidence.join("rivers.txt"), (10..40).map(line).collect::<String>()).unwrap();
        fs::write(evidence.join("towns.txt"), (40..44).map(line).collect::<String>()).unwrap();
        fs::write(evidence.join("empty.txt"), "").unwrap();
        let question = |number: usize| {
            json!({"QuestionId": format!("q_{number}"), "Question": format!("Which town lies at the river {number}?"),
                "Answer": {"NormalizedAliases": [number.to_string(), "no such name"]},
                "EntityPages": [{"Filename": "rivers.txt"}, {"Filename": "empty.txt"}, {"Filename": "towns.txt"}]})
        };
        let nowhere = json!({"QuestionId": "q_0", "Question": "Where?", "EntityPages": [{"Filename": "empty.txt"}],
            "Answer": {"NormalizedAliases": ["x"]}});
        let questions: Vec<Value> = [11, 12, 41, 42].map(question).into_iter().chain([nowhere]).collect();
        let path = self.at("qa/train.json");
        fs::write(&path, json!({"Domain": domain, "Data": questions}).to_string()).unwrap();
        path
    }

    fn finetune(
        &self,
        name: &str,
        train_file: &Path,
        settings: &FinetuneSettings,
        interrupt: &Interrupt,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<PathBuf, TrainError> {
        let (output, examples) = (self.at(name), self.at("examples"));
        let inputs = TriviaInputs { model: &self.model, train_file, examples: &examples };
        let mut session = Session { interrupt, clock: &|| 0.0, observe };
        let watch = &mut |_| {};
        finetune::run_triviaqa(&inputs, settings, &output, &output, Device::Cpu, &mut session, watch)?;
        Ok(output)
    }

    fn predict(&self, model: &Path, file: &Path) -> Result<Answers, QaError> {
        let settings = PredictSettings {
            max_length: tiny::MAX_LENGTH,
            max_question_length: 20,
            slices: Slices::Strided,
            max_document_length: 200,
            per_device_eval_batch_size: 3,
            ..PredictSettings::for_task(Task::TriviaQa)
        };
        documents::answer(model, file, &settings, Device::Cpu, &Interrupt::default(), &mut |_| {})
    }
}

fn settings() -> FinetuneSettings {
    let own = FinetuneSettings::for_task(Task::TriviaQa);
    FinetuneSettings {
        optimization: Optimization {
            learning_rate: 1e-3,
            warmup_steps: 1,
            per_device_train_batch_size: 2,
            gradient_accumulation_steps: 1,
            save_steps: 2,
            logging_steps: 1,
            ..own.optimization
        },
        num_train_epochs: 3.0,
        max_length: tiny::MAX_LENGTH,
        max_question_length: 20,
        slices: Slices::Strided,
        max_document_length: 200,
        ..own
    }
}

#[test]
fn a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not_and_learns() {
    let ground = Ground::new();
    let file = ground.questions("Wikipedia");
    let settings = settings();
    let mut losses = Vec::new();
    let whole = ground.finetune("whole", &file, &settings, &Interrupt::default(), &mut |event| {
        if let Event::Measured { figures, .. } = event {
            losses.extend(figures.iter().filter(|(name, _)| *name == "loss").map(|(_, loss)| *loss));
        }
    });
    let whole = whole.unwrap();
    // Of twelve pairs, four have the answer: rivers.txt up to its 200 tokens has 11 and 12.
    assert_eq!(losses.len(), 6);
    assert!(losses.last() < losses.first(), "{losses:?}");

    let interrupt = Interrupt::default();
    let mut stop = |event: &Event| {
        if matches!(event, Event::Stepped { step: 3, .. }) {
            interrupt.request();
        }
    };
    let stopped = ground.finetune("stopped", &file, &settings, &interrupt, &mut stop);
    assert!(matches!(stopped, Err(TrainError::Interrupted(_))));
    let mut resumed = false;
    let ended = ground.finetune("stopped", &file, &settings, &Interrupt::default(), &mut |event| {
        resumed |= matches!(event, Event::Resumed { step: 3 });
    });
    assert!(resumed);
    assert_eq!(tiny::weights(&ended.unwrap()), tiny::weights(&whole));
}

#[test]
fn answers_are_stretches_of_the_documents_and_filed_as_the_scorer_looks_for_them() {
    let ground = Ground::new();
    let file = ground.questions("Wikipedia");
    let model = ground.finetune("model", &file, &settings(), &Interrupt::default(), &mut |_| {}).unwrap();
    let wikipedia = ground.predict(&model, &file).unwrap();
    let ids: Vec<&str> = wikipedia.predictions.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["q_11", "q_12", "q_41", "q_42", "q_0"]);
    assert_eq!(wikipedia.predictions.get("q_0"), Some(""));
    assert_eq!(wikipedia.nbest.questions.len(), 13);
    for (key, answers) in &wikipedia.nbest.questions {
        let (_, document) = key.split_once("--").unwrap();
        let text = fs::read_to_string(ground.at("evidence/wikipedia").join(document)).unwrap();
        assert!(answers.iter().all(|answer| text.contains(&answer.text)), "{key}");
        assert!(answers.len() <= 20 && answers[0].text.is_empty() == text.is_empty());
    }
    let best = |answers: &[longqa::qa::NbestAnswer]| answers[0].start_logit + answers[0].end_logit;
    let of_first = &wikipedia.nbest.questions[..3];
    let winner = if best(&of_first[0].1) >= best(&of_first[2].1) { &of_first[0] } else { &of_first[2] };
    assert_eq!(wikipedia.predictions.get("q_11"), Some(winner.1[0].text.as_str()));

    let web = ground.predict(&model, &ground.questions("Web")).unwrap();
    assert_eq!(web.nbest, wikipedia.nbest);
    assert_eq!(web.predictions.len(), 13);
    assert_eq!(web.predictions.get("q_12--empty.txt"), Some(""));
}

#[test]
fn bad_input_is_refused_by_name() {
    let ground = Ground::new();
    let file = ground.questions("Wikipedia");
    let quiet = |settings: &FinetuneSettings| {
        ground.finetune("nowhere", &file, settings, &Interrupt::default(), &mut |_| {}).unwrap_err()
    };
    let long = FinetuneSettings { max_length: 128, ..settings() };
    assert!(matches!(quiet(&long), TrainError::Model(_)));
    let none = FinetuneSettings { max_document_length: 1, ..settings() };
    let error = quiet(&none).to_string();
    assert!(error.contains("expected at least one document with its question's answer in it"), "{error}");
    fs::remove_file(ground.at("evidence/wikipedia/towns.txt")).unwrap();
    let error = quiet(&settings());
    assert!(
        matches!(&error, TrainError::Text(TextError::Corpus(CorpusError::MissingDocument { id, .. })) if id == "q_11"),
        "{error}"
    );
    let error = ground.predict(&ground.model, &file).unwrap_err();
    assert!(!ground.at("nowhere/model.safetensors").exists(), "{error}");
}

#[test]
fn the_real_sample_goes_from_files_to_predictions_from_the_command_line() {
    let Some(sample) = sample() else { return };
    let ground = Ground::new();
    let settings = [
        ("--max_length", "64"),
        ("--max_question_length", "30"),
        ("--slices", "strided"),
        ("--max_document_length", "300"),
    ];
    let longqa = |command: &str, flags: &[(&str, &Path)], more: &[(&str, &str)]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_longqa"));
        program.args(["--quiet", command, "--task", "triviaqa"]);
        for (flag, path) in flags {
            program.arg(flag).arg(path);
        }
        for (flag, value) in settings.iter().chain(more) {
            program.args([flag, value]);
        }
        program.env("OMP_NUM_THREADS", "1").env("LONGQA_CACHE", ground.at("cache"));
        let output = program.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let train = sample.path().join("qa/web-train.json");
    let model = ground.at("out");
    longqa(
        "finetune",
        &[("--model", &ground.model), ("--train_file", &train), ("--output_dir", &model)],
        &[("--num_train_epochs", "1")],
    );
    assert_eq!(fs::read_dir(ground.at("cache/documents-v1")).unwrap().count(), 1);
    for (file, expected) in [
        ("wikipedia-dev", vec!["tc_33", "tc_40"]),
        (
            "web-dev",
            vec![
                "tc_2--61/61_97.txt",
                "tc_2--10/10_99.txt",
                "tc_33--Andrew_Lloyd_Webber.txt",
                "tc_33--35/35_995.txt",
                "tc_33--46/46_996.txt",
            ],
        ),
    ] {
        let (input, output) = (sample.path().join(format!("qa/{file}.json")), ground.at(file));
        longqa("predict", &[("--model", &model), ("--input", &input), ("--output", &output)], &[]);
        let predictions = Predictions::read(&output.join("predictions.json")).unwrap();
        assert_eq!(predictions.iter().map(|(key, _)| key).collect::<Vec<_>>(), expected);
        assert!(predictions.iter().all(|(_, text)| !text.is_empty()));
        assert!(output.join("nbest_predictions.json").exists());
    }
}
