//! Which stages an experiment has, and which a change makes anew.

use std::collections::BTreeSet;

use super::*;
use crate::experiment::run::Todo;

#[test]
fn models_tasks_languages_and_seeds_become_stages_each_one_once() {
    let plan = Bench::new().plan(FILE);
    let names = names(&plan);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    // Files: three of questions, one checkpoint, two texts. Then two comparisons, convert, two of blocks,
    // pretrain; for each of two seeds three fine-tunings and four answers and scores.
    assert_eq!(names.len(), 6 + 2 + 4 + 2 * (3 + 4 + 4));
    assert!(names[..6].iter().all(|name| name.starts_with("fetch")));
    let compared = ["overlap squad/train and squad/dev", "overlap squad/train and xquad/de"];
    assert_eq!(names[6..8].iter().collect::<BTreeSet<_>>(), compared.map(str::to_owned).iter().collect());
    assert_eq!(names[12], "finetune short for near, seed 1");
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
    let changed = Lock::parse(&LOCK.replace("\"4000", "\"4001"), Path::new("datasets.lock")).unwrap();
    let plan = Plan::new(&bench.read(FILE).unwrap(), &changed).unwrap();
    let todo = Todo::of(&plan, &bench.store).unwrap();
    let kinds: Vec<_> = todo.missing.iter().map(|at| plan.stages[*at].work.kind()).collect();
    assert_eq!(kinds, ["fetch", "overlap", "predict", "score", "predict", "score"]);
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
fn local_files_are_known_by_content_and_found_from_the_experiment_files_folder() {
    let bench = Bench::new();
    let data = bench.folder.path().join("train.json");
    fs::write(&data, "one").unwrap();
    let text = FILE.replace("squad/train", "./train.json");
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
    assert_eq!(key(&FILE.replace("squad/train", &absolute)), one);
}
