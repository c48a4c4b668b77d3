//! `longqa reproduce` and `longqa status` as a user runs them, on the smallest experiment that passes
//! through every stage.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use longqa::digest::Digest;
use tempfile::TempDir;

const TINY: &str = include_str!("experiments/tiny.toml");

struct Place(TempDir);

impl Place {
    fn new(experiment: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.edit(experiment);
        place
    }

    fn edit(&self, experiment: &str) {
        fs::write(self.0.path().join("x.toml"), experiment).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
        command.current_dir(self.0.path()).args(arguments);
        command.env("LONGQA_CACHE", self.path("cache")).env_remove("LONGQA_STORE").env_remove("RUST_LOG");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the whole, which must succeed.
    fn reproduce(&self) -> (String, String) {
        let output = self.run(&["reproduce", "x.toml"]);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "{err}");
        (out, err)
    }

    fn start(&self) -> Child {
        let mut command = self.command(&["reproduce", "x.toml"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The tables as CSV, but that of costs, which holds times.
    fn tables(&self) -> BTreeMap<String, String> {
        ["bpc", "comparisons", "depth", "runs", "squad"]
            .map(|name| {
                let path = self.path("results/tiny/tables").join(name).with_extension("csv");
                (name.to_owned(), fs::read_to_string(path).unwrap())
            })
            .into()
    }

    /// Kind, key and output digests of each finished stage.
    fn stages(&self) -> BTreeMap<String, String> {
        let mut stages = BTreeMap::new();
        for kind in fs::read_dir(self.path("store")).unwrap() {
            for stage in fs::read_dir(kind.unwrap().path()).unwrap() {
                let path = stage.unwrap().path();
                if let Ok(text) = fs::read_to_string(path.join("stage.json")) {
                    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let files = manifest["files"].as_array().unwrap().iter();
                    // Logs hold times; everything else is the same in every run.
                    let files: Vec<_> =
                        files.filter(|file| !file["path"].as_str().unwrap().starts_with("logs/")).collect();
                    let name = path.strip_prefix(self.0.path()).unwrap().display().to_string();
                    stages.insert(name, format!("{files:?}"));
                }
            }
        }
        stages
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A run that nothing disturbed.
static WHOLE: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::new(TINY);
    place.reproduce();
    place
});

fn lines_with(text: &str, state: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with(state));
    lines.map(|line| line[state.len()..].split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn a_plan_is_printed_and_nothing_is_made() {
    let place = Place::new(TINY);
    let output = place.run(&["reproduce", "x.toml", "--plan"]);
    let (out, _) = texts(&output);
    assert!(output.status.success());
    assert!(out.starts_with("experiment tiny: 35 stages, 35 to run, 0 done\n"), "{out}");
    assert_eq!(lines_with(&out, "to run").len(), 35);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "the experiment file alone");
}

#[test]
fn the_experiments_of_this_repository_can_be_planned_offline() {
    let place = Place::new(TINY);
    for (name, stages) in [
        ("demo", "experiment demo: 98 stages"),
        ("quick", "experiment quick: "),
        ("thesis", "experiment thesis: 4647 stages, 4647 to run"),
        ("minilm", "experiment minilm: "),
        ("minilm-cpu", "experiment minilm-cpu: 54 stages"),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(format!("{name}.toml"));
        let output = place.run(&["reproduce", file.to_str().unwrap(), "--plan", "--offline"]);
        let (out, err) = texts(&output);
        assert!(output.status.success() && out.starts_with(stages), "{err}{out}");
    }
}

#[test]
fn a_run_ends_in_tables_and_running_again_does_nothing() {
    let tables = WHOLE.tables();
    // 3 pairs of model and task, one of them in two languages; 2 seeds.
    assert_eq!(tables["runs"].lines().count(), 1 + 4 * 2);
    assert!(tables["squad"].lines().nth(1).unwrap().starts_with("near,,en,short,standard 64/16,"));
    assert!(tables["comparisons"].lines().nth(1).unwrap().starts_with("length,near,,en,long,"));
    assert!(tables["bpc"].contains("bits_per_character on miniature/wiki.valid.raw"));
    let manifest = fs::read_to_string(WHOLE.path("results/tiny/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["experiment_file"]["text"], TINY);
    let cargo_lock = Digest::of_bytes(include_bytes!("../Cargo.lock")).to_string();
    assert_eq!(manifest["written_by"]["cargo_lock_sha256"], cargo_lock);
    assert_eq!(manifest["stages"].as_array().unwrap().len(), 35);
    assert_eq!(manifest["stages"][8]["stage"]["provenance"]["cargo_lock_sha256"], cargo_lock);
    assert!(manifest["stages"][8]["stage"]["measures"]["tokens_per_second"].is_number());
    // The CPU, which these tests run on, has no flash kernel.
    assert_eq!(manifest["stages"][8]["stage"]["measures"]["attention"], "blocks");

    let before = WHOLE.stages();
    let (out, err) = WHOLE.reproduce();
    assert!(err.contains("nothing to run"), "{err}");
    assert!(out.contains("SQuAD and SQ3, percent"), "{out}");
    assert!(out.ends_with("results/tiny/report.html\n"), "{out}");
    assert_eq!((WHOLE.stages(), WHOLE.tables()), (before, tables));
    let (out, _) = texts(&WHOLE.run(&["status", "x.toml", "--verify"]));
    assert!(out.ends_with("35 stages: 35 done\n"), "{out}");
}

#[test]
fn a_results_folder_gives_its_tables_again_without_the_store() {
    let place = Place::new("");
    let results = WHOLE.path("results/tiny");
    let output = place.run(&["report", results.to_str().unwrap(), "--output", "again"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && out.ends_with("again/report.html\n"), "{err}");
    for (name, table) in WHOLE.tables() {
        let again = place.path("again/tables").join(name).with_extension("csv");
        assert_eq!(fs::read_to_string(again).unwrap(), table);
    }
    let answers = fs::read_dir(results.join("runs/predictions")).unwrap();
    assert_eq!(answers.count(), 8, "one file of answers for each run");
}

#[test]
fn one_changed_setting_asks_for_the_stages_behind_it_alone() {
    LazyLock::force(&WHOLE);
    let place = Place::new("");
    let plan = |from: &str, to: &str| {
        assert!(TINY.contains(from), "{from}");
        place.edit(&TINY.replace(from, to));
        let store = WHOLE.path("store");
        let output = place.run(&["reproduce", "x.toml", "--plan", "--store", store.to_str().unwrap()]);
        lines_with(&texts(&output).0, "to run")
    };
    assert!(plan("name =", "description = \"other words\"\nname =").is_empty());
    assert!(plan("seeds = [1, 2]", "seeds = [2]").is_empty());
    let predictions = plan("[finetune]", "[predict]\nn_best_size = 5\n[finetune]");
    assert_eq!(predictions.iter().filter(|kind| *kind == "predict").count(), 8);
    assert_eq!(predictions.len(), 16);
    let far = plan("max_length = 128\ndoc_stride = 64", "max_length = 120\ndoc_stride = 64");
    assert_eq!(far.iter().filter(|kind| *kind == "finetune").count(), 2);
    assert_eq!(far.len(), 2 + 4 + 4);
    assert_eq!(plan("attention_window = 16", "attention_window = 32")[0], "convert");
}

/// Waits for the stage to begin, and reads on so that the program can write on.
fn until(child: &mut Child, stage: &str) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = lines.any(|line| line.unwrap().contains(stage));
    assert!(found, "{stage} never began");
    std::thread::spawn(move || lines.for_each(drop));
}

#[test]
fn a_run_stopped_or_killed_anywhere_ends_with_the_same_bytes() {
    let place = Place::new(TINY);
    let stop_at = |stage: &str, signal: &str| {
        let mut child = place.start();
        until(&mut child, stage);
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        child.wait().unwrap()
    };
    let status = stop_at("pretrain long", "-INT");
    assert_eq!(status.code(), Some(130), "{status:?}");
    assert!(!place.path("results/tiny/tables").exists());
    assert!(!stop_at("finetune long for near, seed 1", "-KILL").success());
    // With four stages still to come, a slow machine cannot end before it is killed.
    assert!(!stop_at("predict long on far (en), seed 2", "-KILL").success());
    place.reproduce();
    assert_eq!(place.stages(), WHOLE.stages());
    assert_eq!(place.tables(), WHOLE.tables());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_made() {
    let place = Place::new(TINY);
    let refused = |experiment: &str, arguments: &[&str]| {
        place.edit(experiment);
        let output = place.run(&[&["reproduce", "x.toml"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(!place.path("store").exists(), "something was run");
        texts(&output).1
    };
    let error = refused(&TINY.replace("eval_steps", "eval_step"), &[]);
    assert!(
        error.contains("unknown key `pretrain.eval_step`") && error.contains("`pretrain.eval_steps`"),
        "{error}"
    );
    // A file where a folder should be stops root too, whom a read-only folder does not.
    fs::write(place.path("results"), "").unwrap();
    let error = refused(TINY, &[]);
    assert!(error.contains("cannot write results here"), "{error}");
    let error = refused(TINY, &["--results", "/proc/none"]);
    assert!(error.contains("/proc/none"), "{error}");
    let error = refused(&format!("{TINY}\n[published]\nsources = [\"sage-2021\"]"), &["--results", "r"]);
    assert!(error.contains("sagen-2021"), "{error}");
    let missing = place.run(&["status", "none.toml"]);
    assert!(texts(&missing).1.contains("none.toml"));
}

#[test]
fn a_stage_that_fails_is_reported_and_the_others_are_tabled() {
    let place = Place::new(&TINY.replace("[tasks.far]", "[tasks.far]\nfinetune = { learning_rate = 1e30 }"));
    let output = place.run(&["reproduce", "x.toml"]);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("2 of 35 stages failed and 8 behind them were left out"), "{err}");
    let far = out.lines().find(|line| line.starts_with("far ")).unwrap();
    let far: Vec<_> = far.split_whitespace().collect();
    assert_eq!(far, ["far", "en", "long", "standard", "128/64", "0"], "a cell that was not run is empty");
    let (status, _) = texts(&place.run(&["status", "x.toml"]));
    assert!(status.ends_with("35 stages: 25 done, 2 failed, 8 missing\n"), "{status}");
    assert!(status.contains("failed.json"), "{status}");
}

#[test]
fn training_on_paragraphs_of_the_evaluation_is_refused_before_anything_is_trained_unless_it_is_meant() {
    let (alone, _) = TINY.split_once("[tasks.far]").unwrap();
    let alone =
        alone.replace("seeds = [1, 2]", "seeds = [1]").replace("[\"short\", \"long\"]", "[\"short\"]");
    let overlapping = alone.replace("miniature/train-v1.1.json", "miniature/dev-v1.1.json");
    let place = Place::new(&overlapping);
    let output = place.run(&["reproduce", "x.toml"]);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    for part in [
        "overlap",
        "(miniature/dev-v1.1.json and miniature/dev-v1.1.json)",
        "expected 0 paragraphs that are also in store/miniature/",
        "found 3 of 3, the first of them \"",
        "overlap = \"report\"",
        "1 of 14 stages failed and 12 behind them were left out",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let mut made: Vec<_> =
        place.stages().keys().map(|stage| stage.split('/').nth(1).unwrap().to_owned()).collect();
    made.dedup();
    assert_eq!(made, ["miniature"]);

    place.edit(&overlapping.replace("[tasks.near]", "[tasks.near]\noverlap = \"report\""));
    let (_, err) = place.reproduce();
    assert!(err.contains("WARN") && err.contains("found 3 of 3"), "{err}");
    let manifest = fs::read_to_string(place.path("results/tiny/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let counts = &manifest["stages"][1]["stage"]["measures"];
    assert_eq!(counts["training_paragraphs"], 3);
    assert_eq!((&counts["evaluation_paragraphs"], &counts["shared_paragraphs"]), (&3.into(), &3.into()));
}

#[test]
fn a_flipped_byte_is_found() {
    LazyLock::force(&WHOLE);
    let place = Place::new(TINY);
    let copied = Command::new("cp").arg("-r").arg(WHOLE.path("store")).arg(place.path("store")).status();
    assert!(copied.unwrap().success());
    let scores = fs::read_dir(place.path("store/score")).unwrap().map(|entry| entry.unwrap().path());
    let score = scores.filter(|path| path.is_dir()).min().unwrap().join("output/scores.json");
    let mut bytes = fs::read(&score).unwrap();
    let at = bytes.iter().position(|byte| *byte == b'0').unwrap();
    bytes[at] = b'1';
    fs::write(&score, bytes).unwrap();
    let output = place.run(&["status", "x.toml", "--verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).0.contains("34 done, 1 damaged"), "{:?}", texts(&output));
}
