//! `longqa report`: runs of several machines become one report, or are refused.

use std::path::PathBuf;
use std::process::{Command, Output};

use longqa::report::runs::{KeptRuns, Record, merge};
use tempfile::TempDir;

use crate::fixture::{self, SEEDS, TINY};

/// The fixture's runs with these seeds.
fn machine(seeds: &[u64]) -> Record {
    let mut record = fixture::record();
    record.runs.retain(|run| seeds.contains(&run.cell.seed.0));
    record
}

fn named(records: Vec<Record>) -> Vec<(PathBuf, Record)> {
    ["a", "b", "c"].map(PathBuf::from).into_iter().zip(records).collect()
}

#[test]
fn seeds_of_several_machines_are_the_runs_of_one() {
    let all = machine(&SEEDS);
    let merged =
        merge(named(vec![machine(&SEEDS[..2]), machine(&SEEDS[1..]), machine(&SEEDS[..1])])).unwrap();
    assert!(merged == all, "what is there twice is taken once");
}

#[test]
fn a_run_that_was_finished_elsewhere_fills_the_gap() {
    let whole = fixture::record();
    let mut started = whole.clone();
    for run in &mut started.runs[3..] {
        (run.scores, run.questions, run.outcomes) = (None, None, None);
    }
    assert!(merge(named(vec![started.clone(), whole.clone()])).unwrap() == whole);
    assert!(merge(named(vec![whole.clone(), started])).unwrap() == whole);
}

#[test]
fn one_run_with_two_results_is_refused() {
    let mut other = machine(&SEEDS);
    other.runs[1].scores.as_mut().unwrap().f1 = 1.5;
    let error = merge(named(vec![machine(&SEEDS), other])).unwrap_err().to_string();
    for part in ["roberta-base on squad-512-sagen (en), seed 42", "in a (F1", "in b (F1 1.5)"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn what_is_kept_is_read_again_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let record = fixture::record();
    let answers = folder.path().join("answers");
    std::fs::write(&answers, "{}").unwrap();
    KeptRuns::of(folder.path()).write(&record, &[(record.runs[0].keys.predict, answers)]).unwrap();
    assert!(KeptRuns::of(folder.path()).read().unwrap() == record);
    assert_eq!(std::fs::read_dir(folder.path().join("runs/predictions")).unwrap().count(), 1);
}

#[test]
fn questions_that_were_changed_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    KeptRuns::of(folder.path()).write(&fixture::record(), &[]).unwrap();
    let file =
        std::fs::read_dir(folder.path().join("runs/questions")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("-0,", "-zero,", 1)).unwrap();
    let error = KeptRuns::of(folder.path()).read().unwrap_err().to_string();
    assert!(error.contains("questions/") && error.contains("expected"), "{error}");
}

/// Folders of experiments that were planned, and nothing of them run.
struct Machines(TempDir);

impl Machines {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn keep(&self, name: &str, experiment: &str) {
        let record = fixture::planned(experiment);
        KeptRuns::of(&self.path(name)).write(&record, &[]).unwrap();
    }

    fn report(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
        command.current_dir(self.0.path()).arg("report").args(arguments).output().unwrap()
    }
}

#[test]
fn runs_that_differ_in_more_than_the_seed_are_refused_by_name() {
    let machines = Machines::new();
    machines.keep("a", &TINY.replace("seeds = [1, 2]", "seeds = [1]"));
    machines.keep("b", &TINY.replace("seeds = [1, 2]", "seeds = [2]"));
    machines.keep("c", &TINY.replace("questions_per_document = 2", "questions_per_document = 3"));
    let output = machines.report(&["a", "b", "--output", "ab"]);
    assert!(output.status.success(), "{output:?}");
    assert!(machines.path("ab/report.html").exists());
    assert!(machines.report(&["a"]).status.success(), "one folder is reported in place");

    let refused = |arguments: &[&str]| {
        let output = machines.report(arguments);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let error = refused(&["a", "c", "--output", "ac"]);
    for part in ["in a and c", "miniature.questions_per_document", "is 2 in the first and 3 in the second"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!machines.path("ac").exists(), "nothing is written");
    assert!(refused(&["a", "b"]).contains("--output"));
    assert!(refused(&["nowhere"]).contains("nowhere/runs/runs.json"));
}
