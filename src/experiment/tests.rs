//! Plans and runs together: which stages a change of one setting makes anew, what a failure or a
//! stop leaves, what two processes do to each other. The bodies of stages are stand-ins that write
//! what they were given; all else is real.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::manifest::Measures;
use super::provenance::Provenance;
use super::run::{Execute, Outcome, Place, Runner, Todo};
use super::source::{Catalogue, CatalogueEntry, KnownFile};
use super::stage::Stage;
use super::store::{State, Store};
use super::{Experiment, ExperimentError, Plan, StageFailure};
use crate::digest::Digest;
use crate::interrupt::{Interrupt, Interrupted};

const FILE: &str = r#"
name = "x"
seeds = [1, 2]

[pretrain]
train_file_path = "wikitext:train.raw"
val_file_path = "wikitext:valid.raw"

[models.short]
checkpoint = "roberta"

[models.long]
from = "short"
convert = { max_position = 1024, attention_window = 64 }
pretrain = { max_steps = 10, model_max_length = 1024 }

[tasks.near]
kind = "squad"
models = ["short", "long"]
train = "squad:train.json"
evaluate = "squad:dev.json"
max_length = 256

[tasks.far]
kind = "squad"
models = ["long"]
train = "squad:train.json"
evaluate = { en = "squad:dev.json", de = "xquad:de.json" }
max_length = 1024
"#;

fn catalogue() -> Catalogue {
    let entry = |name: &str, files: &[&str]| CatalogueEntry {
        name: name.into(),
        version: "1".into(),
        files: files
            .iter()
            .map(|path| KnownFile { path: path.to_string(), sha256: Some(Digest::of_bytes(path.as_bytes())) })
            .collect(),
    };
    Catalogue {
        entries: vec![
            entry("roberta", &["config.json", "model.safetensors"]),
            entry("wikitext", &["train.raw", "valid.raw"]),
            entry("squad", &["train.json", "dev.json"]),
            entry("xquad", &["de.json"]),
        ],
        digest: None,
    }
}

/// Writes its inputs' contents and its settings; counts, fails and stops as told.
#[derive(Default)]
struct Fake {
    made: Mutex<Vec<String>>,
    fails: Option<&'static str>,
    stops_at: Option<usize>,
    concurrent: AtomicUsize,
}

impl Execute for Fake {
    fn execute(&self, stage: &Stage, place: &Place) -> Result<Measures, StageFailure> {
        assert_eq!(self.concurrent.fetch_add(1, Ordering::SeqCst), 0);
        let result = self.body(stage, place);
        self.concurrent.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Fake {
    fn body(&self, stage: &Stage, place: &Place) -> Result<Measures, StageFailure> {
        let name = format!("{} {}", stage.work.kind(), stage.title);
        let mut made = self.made.lock().unwrap();
        if self.stops_at == Some(made.len()) {
            fs::write(place.state.join("checkpoint"), "half").unwrap();
            return Err(Interrupted.into());
        }
        if self.fails == Some(name.as_str()) {
            fs::write(place.output.join("half"), "half").unwrap();
            return Err("the loss is NaN".into());
        }
        for (_, input) in &place.inputs {
            assert!(input.exists(), "{name}: no input {}", input.display());
        }
        for file in ["train.json", "dev.json", "de.json", "train.raw", "valid.raw", "out"] {
            fs::write(place.output.join(file), format!("{} {}", stage.work.settings(), stage.key)).unwrap();
        }
        made.push(name);
        Ok(Measures::from([("tokens_per_second".into(), 7.into())]))
    }
}

struct Bench {
    folder: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("store"));
        Self { folder, store }
    }

    fn read(&self, text: &str) -> Result<Experiment, ExperimentError> {
        let path = self.folder.path().join("x.toml");
        fs::write(&path, text).unwrap();
        Experiment::read(&path)
    }

    fn plan(&self, text: &str) -> Plan {
        Plan::new(&self.read(text).unwrap(), &catalogue()).unwrap()
    }

    fn refusal(&self, text: &str) -> String {
        self.read(text).and_then(|read| Plan::new(&read, &catalogue())).unwrap_err().to_string()
    }

    fn run(&self, plan: &Plan, fake: &Fake) -> Result<Outcome, ExperimentError> {
        let (interrupt, provenance) = (Interrupt::default(), Provenance::gather("cpu".into()));
        Runner { store: &self.store, execute: fake, interrupt: &interrupt, provenance: &provenance }.run(plan)
    }

    /// Runs the whole and gives the stages that it made.
    fn made(&self, text: &str) -> Vec<String> {
        let fake = Fake::default();
        self.run(&self.plan(text), &fake).unwrap();
        fake.made.into_inner().unwrap()
    }
}

fn names(plan: &Plan) -> Vec<String> {
    plan.stages.iter().map(|stage| format!("{} {}", stage.work.kind(), stage.title)).collect()
}

#[test]
fn models_tasks_languages_and_seeds_become_stages_each_one_once() {
    let plan = Bench::new().plan(FILE);
    let names = names(&plan);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    // Files: one checkpoint, two texts, three of questions. Then convert, two of blocks, pretrain;
    // for each of two seeds three fine-tunings and four answers and scores.
    assert_eq!(names.len(), 6 + 4 + 2 * (3 + 4 + 4));
    assert_eq!(names[0], "fetch roberta");
    assert!(names[..6].iter().all(|name| name.starts_with("fetch")));
    assert_eq!(names[10], "finetune short for near, seed 1");
    for (at, stage) in plan.stages.iter().enumerate() {
        for input in &stage.inputs {
            assert!(input.stage < at, "{} reads a later stage", names[at]);
            assert_eq!(plan.stages[input.stage].key, input.key);
        }
    }
    assert_eq!((plan.cells.len(), plan.pretrainings.len()), (8, 1));
    assert_eq!(plan.cells[3].language, "en");
    assert_eq!(plan.cells[3].protocol, "standard 1024/128");
    assert_eq!(plan.stages[plan.cells[2].score].title, "long on far (de), seed 1");
}

#[test]
fn running_again_does_nothing() {
    let bench = Bench::new();
    let plan = bench.plan(FILE);
    assert_eq!(bench.made(FILE), names(&plan));
    let before = Todo::of(&plan, &bench.store).unwrap();
    assert_eq!(before.missing, Vec::<usize>::new());
    assert_eq!(bench.made(FILE), Vec::<String>::new());
    // Neither layout nor comments nor what a model is called among others changes a key.
    let reworded = FILE.replace("name = \"x\"", "# a note\nname = \"y\"\ndescription = \"z\"");
    assert_eq!(bench.made(&reworded), Vec::<String>::new());
}

#[test]
fn one_changed_setting_makes_exactly_the_stages_behind_it_anew() {
    let bench = Bench::new();
    bench.made(FILE);
    let made = |from: &str, to: &str| {
        assert!(FILE.contains(from));
        bench.made(&FILE.replace(from, to))
    };
    let far = |what: &str, seed: u64| -> Vec<String> {
        match what {
            "finetune" => vec![format!("finetune long for far, seed {seed}")],
            what => {
                ["de", "en"].map(|language| format!("{what} long on far ({language}), seed {seed}")).into()
            }
        }
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let expected: Vec<_> = [1, 2]
        .into_iter()
        .flat_map(|seed| ["finetune", "predict", "score"].map(|what| far(what, seed)).concat())
        .collect();
    assert_eq!(sorted(made("max_length = 1024\n", "max_length = 512\n")), sorted(expected));

    let again = made("max_steps = 10", "max_steps = 11");
    assert_eq!(again[0], "pretrain long");
    assert!(again.iter().all(|name| name.contains("long")), "{again:?}");
    assert_eq!(again.len(), 1 + 2 * (1 + 1 + 1 + 1 + 2 + 2));

    let again = made("attention_window = 64", "attention_window = 128");
    assert_eq!(again[..2], ["convert long", "pretrain long"]);
    assert_eq!(again.len(), 2 + 2 * 8);

    // The text is cut again, but no model of the short kind is touched.
    let again = made("model_max_length = 1024", "model_max_length = 512");
    assert_eq!(again.iter().filter(|name| name.starts_with("blocks")).count(), 2);
    assert!(!again.iter().any(|name| name.contains("short") || name.starts_with("convert")));

    // A third seed adds its own runs and repeats none.
    let again = made("seeds = [1, 2]", "seeds = [1, 2, 3]");
    assert!(again.iter().all(|name| name.ends_with("seed 3")), "{again:?}");
    assert_eq!(again.len(), 3 + 4 + 4);

    // Decoding is behind training.
    let again = made("[tasks.near]", "[predict]\nmax_answer_length = 20\n[tasks.near]");
    assert!(again.iter().all(|name| name.starts_with("predict") || name.starts_with("score")), "{again:?}");
    assert_eq!(again.len(), 16);

    assert_eq!(made("max_steps = 10", "max_steps = 10, save_steps = 3"), Vec::<String>::new());
}

#[test]
fn a_change_in_the_lock_makes_what_is_behind_that_file_anew() {
    let bench = Bench::new();
    bench.made(FILE);
    let mut changed = catalogue();
    changed.entries[3].files[0].sha256 = Some(Digest::of_bytes(b"another"));
    let plan = Plan::new(&bench.read(FILE).unwrap(), &changed).unwrap();
    let todo = Todo::of(&plan, &bench.store).unwrap();
    let kinds: Vec<_> = todo.missing.iter().map(|at| plan.stages[*at].work.kind()).collect();
    assert_eq!(kinds, ["fetch", "predict", "score", "predict", "score"]);
}

#[test]
fn what_no_result_needs_any_more_may_be_removed() {
    let bench = Bench::new();
    bench.made(FILE);
    fs::remove_dir_all(bench.folder.path().join("store/finetune")).unwrap();
    assert_eq!(bench.made(FILE), Vec::<String>::new());
    // Once an answer is asked for again, so is the model that gives it, and no other.
    let plan = bench.plan(FILE);
    fs::remove_dir_all(bench.store.folder(&plan.stages[plan.cells[0].predict])).unwrap();
    fs::remove_dir_all(bench.store.folder(&plan.stages[plan.cells[0].score])).unwrap();
    let again = bench.made(FILE);
    assert_eq!(again[0], "finetune short for near, seed 1");
    assert_eq!(again.len(), 3);
}

#[test]
fn a_failed_stage_leaves_its_error_and_stops_only_what_is_behind_it() {
    let bench = Bench::new();
    let plan = bench.plan(FILE);
    let failing = Fake { fails: Some("finetune long for far, seed 1"), ..Fake::default() };
    let outcome = bench.run(&plan, &failing).unwrap();
    assert_eq!((outcome.failed.len(), outcome.left_out.len()), (1, 4));
    assert_eq!(outcome.made, plan.stages.len() - 5);
    let (at, error) = &outcome.failed[0];
    assert!(error.to_string().contains("the loss is NaN"), "{error}");
    match bench.store.state(&plan.stages[*at]).unwrap() {
        State::Failed(failure) => assert!(failure.error.join("\n").contains("the loss is NaN")),
        other => panic!("{other:?}"),
    }
    assert!(bench.store.failure_log(&plan.stages[*at]).exists());
    assert!(!bench.store.folder(&plan.stages[*at]).exists());
    assert_eq!(bench.made(FILE).len(), 5);
    assert!(!bench.store.failure_log(&plan.stages[*at]).exists());
}

#[test]
fn a_stop_keeps_the_state_of_the_stage_and_the_next_run_goes_on() {
    let bench = Bench::new();
    let plan = bench.plan(FILE);
    let error = bench.run(&plan, &Fake { stops_at: Some(9), ..Fake::default() }).unwrap_err();
    assert!(error.is_interruption());
    assert!(matches!(bench.store.state(&plan.stages[9]).unwrap(), State::Stopped));
    let state = bench.store.folder(&plan.stages[9]).with_extension("work").join("state/checkpoint");
    assert_eq!(fs::read_to_string(state).unwrap(), "half");
    let rest = bench.made(FILE);
    assert_eq!(rest, names(&plan)[9..]);
    let manifest = bench.store.finished(&plan.stages[9]).unwrap().unwrap();
    assert_eq!(manifest.attempts, 2);
    assert_eq!(manifest.measures["tokens_per_second"], 7);
}

#[test]
fn a_stop_asked_for_before_the_first_stage_makes_nothing() {
    let bench = Bench::new();
    let (interrupt, provenance) = (Interrupt::default(), Provenance::gather("cpu".into()));
    interrupt.request();
    let fake = Fake::default();
    let runner =
        Runner { store: &bench.store, execute: &fake, interrupt: &interrupt, provenance: &provenance };
    assert!(runner.run(&bench.plan(FILE)).unwrap_err().is_interruption());
    assert!(fake.made.into_inner().unwrap().is_empty());
}

fn only_file(store: &Store, stage: &Stage, name: &str) -> PathBuf {
    let path = store.folder(stage).join(name);
    assert!(path.is_file());
    path
}

#[test]
fn damage_is_found_before_it_is_used() {
    let bench = Bench::new();
    bench.made(FILE);
    let plan = bench.plan(FILE);
    let (model, score) = (&plan.stages[plan.cells[0].finetune], &plan.stages[plan.cells[0].score]);

    // A flipped byte keeps the length; it is found when the stage is read.
    let path = only_file(&bench.store, model, "out");
    let mut bytes = fs::read(&path).unwrap();
    bytes[3] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(bench.made(FILE).len(), 0);
    for stage in [score, &plan.stages[plan.cells[0].predict]] {
        fs::remove_dir_all(bench.store.folder(stage)).unwrap();
    }
    let error = bench.run(&plan, &Fake::default()).unwrap_err().to_string();
    assert!(
        error.contains("sha256") && error.contains("out") && error.contains("remove the folder"),
        "{error}"
    );
    fs::remove_dir_all(bench.store.folder(model)).unwrap();
    assert_eq!(bench.made(FILE).len(), 3);

    // A file cut short is found at once.
    fs::write(only_file(&bench.store, score, "out"), "").unwrap();
    let error = bench.run(&plan, &Fake::default()).unwrap_err().to_string();
    assert!(error.contains("found 0 bytes"), "{error}");
}

#[test]
fn two_processes_never_make_the_same_stage() {
    let bench = Bench::new();
    let plan = bench.plan(FILE);
    let fakes = [Fake::default(), Fake::default()];
    std::thread::scope(|scope| {
        for fake in &fakes {
            scope.spawn(|| bench.run(&plan, fake).unwrap());
        }
    });
    let mut made = fakes.map(|fake| fake.made.into_inner().unwrap()).concat();
    made.sort();
    let mut all = names(&plan);
    all.sort();
    assert_eq!(made, all);
}

#[test]
fn a_stage_that_is_held_shows_as_running() {
    let bench = Bench::new();
    let plan = bench.plan(FILE);
    let claim = bench.store.claim(&plan.stages[0], &Interrupt::default(), || {}).unwrap();
    assert!(matches!(bench.store.state(&plan.stages[0]).unwrap(), State::Running));
    drop(claim);
    assert!(matches!(bench.store.state(&plan.stages[0]).unwrap(), State::Stopped));
    let interrupt = Interrupt::default();
    let claim = bench.store.claim(&plan.stages[0], &interrupt, || {}).unwrap();
    let waiting = bench.store.claim(&plan.stages[0], &interrupt, || interrupt.request());
    assert!(waiting.err().unwrap().is_interruption());
    drop(claim);
}

#[test]
fn what_a_killed_process_left_half_written_is_cleared() {
    let bench = Bench::new();
    let plan = bench.plan(FILE);
    let work = bench.store.folder(&plan.stages[0]).with_extension("work");
    fs::create_dir_all(work.join(".partial-abc")).unwrap();
    fs::write(work.join(".partial-abc/model.safetensors"), "half").unwrap();
    bench.made(FILE);
    assert!(!work.exists());
    let kinds = fs::read_dir(bench.folder.path().join("store/fetch")).unwrap();
    assert!(!kinds.into_iter().any(|entry| entry.unwrap().file_name().to_string_lossy().contains("partial")));
}

#[test]
fn names_that_refer_to_nothing_are_reported_with_the_nearest_that_would() {
    let bench = Bench::new();
    for (from, to, parts) in [
        (
            "models = [\"long\"]",
            "models = [\"lang\"]",
            &["tasks.far.models", "`lang`", "nearest is `long`"][..],
        ),
        ("from = \"short\"", "from = \"shor\"", &["models.long.from", "nearest is `short`"]),
        ("from = \"short\"", "from = \"long\"", &["models.long.from", "long → long"]),
        ("from = \"short\"", "from = \"short\"\ncheckpoint = \"roberta\"", &["models.long", "several"]),
        ("checkpoint = \"roberta\"", "published = \"a\"", &["models.short", "found none"]),
        (
            "checkpoint = \"roberta\"",
            "checkpoint = \"roberto\"",
            &["models.short.checkpoint", "nearest is `roberta`"],
        ),
        ("checkpoint = \"roberta\"", "checkpoint = \"./none\"", &["none", "cannot read"]),
        ("squad:dev.json\"\nmax", "squad:dew.json\"\nmax", &["tasks.near.evaluate", "nearest is `dev.json`"]),
        ("squad:train.json", "train.json", &["tasks.near.train", "`NAME:FILE`", "`train.json`"]),
        ("kind = \"squad\"", "kind = \"triviaqa\"", &["tasks.near.kind", "`squad`", "`triviaqa`"]),
        ("val_file_path", "#", &["models.long.pretrain.val_file_path", "nothing"]),
        ("checkpoint = \"roberta\"", "initialize = {}", &["models.short.tokenizer", "nothing"]),
        ("max_steps = 10", "max_steps = 0", &["models.long.pretrain.max_steps", "at least 1"]),
    ] {
        assert!(FILE.contains(from), "{from}");
        let message = bench.refusal(&FILE.replacen(from, to, 1));
        for part in parts {
            assert!(message.contains(part), "{to}: {message:?} lacks {part:?}");
        }
    }
}

#[test]
fn local_files_are_known_by_content_and_found_from_the_experiment_files_folder() {
    let bench = Bench::new();
    let data = bench.folder.path().join("train.json");
    fs::write(&data, "one").unwrap();
    let text = FILE.replace("squad:train.json", "./train.json");
    let key = |text: &str| {
        let plan = bench.plan(text);
        let copy = plan.stages.iter().find(|stage| stage.work.kind() == "copy").unwrap();
        copy.key
    };
    let one = key(&text);
    fs::write(&data, "two").unwrap();
    assert_ne!(key(&text), one);
    let elsewhere = bench.folder.path().join("other");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("train.json"), "one").unwrap();
    let absolute = elsewhere.join("train.json").display().to_string();
    assert_eq!(key(&FILE.replace("squad:train.json", &absolute)), one);
}

#[test]
fn a_store_that_cannot_be_written_is_an_error_and_no_panic() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("store"), "a file").unwrap();
    let error = bench.run(&bench.plan(FILE), &Fake::default()).unwrap_err();
    assert!(matches!(error, ExperimentError::Write(_)), "{error}");
}
