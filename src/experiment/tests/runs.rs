//! What a failure, a stop, damage or a second process does to a run.

use std::path::PathBuf;

use super::*;
use crate::experiment::store::State;

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
    let (interrupt, provenance) = (Interrupt::default(), provenance());
    interrupt.request();
    let fake = Fake::default();
    let runner =
        Runner { store: &bench.store, execute: &fake, interrupt: &interrupt, provenance: &provenance };
    assert!(runner.run(&bench.plan(FILE)).unwrap_err().is_interruption());
    assert!(fake.made.into_inner().unwrap().is_empty());
}

#[test]
fn nothing_is_trained_unless_every_comparison_succeeds() {
    let bench = Bench::new();
    let plan = bench.plan(FILE);
    let refusing = Fake { fails: Some("overlap squad/train and xquad/de"), ..Fake::default() };
    let outcome = bench.run(&plan, &refusing).unwrap();
    let made = refusing.made.into_inner().unwrap();
    assert_eq!(made.len(), 6 + 1, "data, and the other comparison: {made:?}");
    assert!(made.iter().all(|name| name.starts_with("fetch") || name.starts_with("overlap")), "{made:?}");
    assert_eq!((outcome.failed.len(), outcome.left_out.len()), (1, plan.stages.len() - 8));

    // Scores from before are no way round it.
    bench.made(FILE);
    fs::remove_dir_all(bench.folder.path().join("store/overlap")).unwrap();
    let refusing = Fake { fails: Some("overlap squad/train and xquad/de"), ..Fake::default() };
    let outcome = bench.run(&plan, &refusing).unwrap();
    assert_eq!((outcome.made, outcome.failed.len(), outcome.left_out.len()), (1, 1, 0));
}

#[test]
fn data_that_cannot_be_had_cost_only_what_reads_them() {
    let bench = Bench::new();
    let failing = Fake { fails: Some("fetch xquad/de"), ..Fake::default() };
    let outcome = bench.run(&bench.plan(FILE), &failing).unwrap();
    // Its comparison; for each of two seeds an answer and a score.
    assert_eq!((outcome.failed.len(), outcome.left_out.len()), (1, 1 + 2 * 2));
}

fn only_file(store: &Store, stage: &Stage, name: &str) -> PathBuf {
    let path = store.output(stage).join(name);
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
fn a_store_that_cannot_be_written_is_an_error_and_no_panic() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("store"), "a file").unwrap();
    let error = bench.run(&bench.plan(FILE), &Fake::default()).unwrap_err();
    assert!(matches!(error, ExperimentError::Write(_)), "{error}");
}
