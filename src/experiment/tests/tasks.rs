//! What each kind of task becomes: files, readings, shared stages, cells.

use std::num::NonZeroUsize;

use super::*;
use crate::corpus::{KeptQuestions, Reading, Task};
use crate::experiment::plan::Cell;
use crate::experiment::stage::{Role, Work};
use crate::experiment::works::{Comparing, OnOverlap};
use crate::model::Attention;
use crate::text::Protocol;

const MODELS: &str = r#"
name = "x"
seeds = [1, 2]
[models.short]
checkpoint = "xlm-roberta-base"
[models.long]
from = "short"
convert = { max_position = 4096, attention_window = 512 }
[tasks.squad]
kind = "squad"
models = ["short", "long"]
train = "squad-1.1/train"
evaluate = "squad-1.1/dev"
max_length = 512
"#;

fn parsed(tasks: &str) -> Result<Plan, ExperimentError> {
    let experiment = Experiment::parse(Path::new("/nowhere/x.toml"), format!("{MODELS}{tasks}"))?;
    Plan::new(&experiment, &Lock::built_in())
}

fn plan(tasks: &str) -> Plan {
    parsed(tasks).unwrap()
}

fn refusal(tasks: &str) -> String {
    parsed(tasks).unwrap_err().to_string()
}

fn cells<'a>(plan: &'a Plan, task: &str) -> Vec<&'a Cell> {
    plan.cells.iter().filter(|cell| cell.task == task).collect()
}

fn read_file(plan: &Plan, stage: usize, role: Role) -> (&str, Option<&str>) {
    let input = plan.stages[stage].inputs.iter().find(|input| input.role == role).unwrap();
    (&plan.stages[input.stage].title, input.file.as_deref())
}

#[test]
fn models_trained_for_one_task_are_asked_in_others() {
    let xquad = r#"
        [tasks.xquad]
        kind = "xquad"
        models = ["long"]
        trained_in = "squad"
        evaluate = "xquad/{language}"
        languages = ["de", "th"]
    "#;
    let plan = plan(xquad);
    let (squad, xquad) = (cells(&plan, "squad"), cells(&plan, "xquad"));
    assert_eq!(xquad.len(), 4);
    let trained = squad.iter().find(|cell| cell.model == "long").unwrap();
    assert_eq!(xquad[0].finetune, trained.finetune);
    assert_eq!((xquad[1].language.as_str(), xquad[1].evaluated_on.as_str()), ("th", "xquad/th"));
    assert_eq!(read_file(&plan, xquad[1].predict, Role::Evaluate), ("xquad/th", Some("xquad.th.json")));
    assert_eq!(xquad[0].base_model.as_deref(), Some("short"));
    assert_eq!(squad[0].base_model, None);
    assert_eq!(xquad[0].protocol, "standard 512/128");
}

#[test]
fn a_task_trained_in_another_says_nothing_of_training() {
    let with = |more: &str| {
        let task = "[tasks.b]\nkind = \"xquad\"\nmodels = [\"long\"]\nevaluate = \"xquad/de\"\n";
        refusal(&format!("{task}{more}\n"))
    };
    assert!(with("trained_in = \"squat\"").contains("the nearest is `squad`"));
    for more in ["max_length = 9", "train = \"squad-1.1/train\"", "finetune = { warmup_steps = 1 }"] {
        let error = with(&format!("trained_in = \"squad\"\n{more}"));
        assert!(error.contains("tasks.b.trained_in"), "{error}");
    }
    assert!(with("trained_in = \"b\"").contains("trained in another itself"));
    assert!(with("").contains("tasks.b.train`: expected a file of training questions"));
}

#[test]
fn mlqa_asks_in_every_pair_of_languages_of_one_download() {
    let mlqa = r#"
        [tasks.mlqa]
        kind = "mlqa"
        models = ["short"]
        seeds = [2]
        trained_in = "squad"
        evaluate = "mlqa/MLQA_V1/test/test-context-{context_language}-question-{language}.json"
        languages = ["de", "vi"]
        context_languages = ["de", "vi"]
    "#;
    let plan = plan(mlqa);
    let cells = cells(&plan, "mlqa");
    let pairs: Vec<_> = cells
        .iter()
        .map(|cell| (cell.language.as_str(), cell.context_language.as_deref().unwrap()))
        .collect();
    assert_eq!(pairs, [("de", "de"), ("vi", "de"), ("de", "vi"), ("vi", "vi")]);
    let file = "MLQA_V1/test/test-context-vi-question-de.json";
    assert_eq!(read_file(&plan, cells[2].score, Role::Evaluate), ("mlqa", Some(file)));
    let Work::Score(scoring) = &plan.stages[cells[2].score].work else { panic!("no score") };
    assert_eq!(scoring.questions.language.as_deref(), Some("de"));
    assert_eq!(scoring.questions.context_language.as_deref(), Some("vi"));
    assert_eq!(plan.stages[cells[2].score].title, "short on mlqa (de about vi), seed 2");
    // The languages of the pattern alone: question and context in one.
    let same = mlqa.replace("context_languages = [\"de\", \"vi\"]", "");
    assert_eq!(self::plan(&same).cells.iter().filter(|cell| cell.task == "mlqa").count(), 2);
}

#[test]
fn a_file_that_an_archive_does_not_list_is_refused() {
    let task = |file: &str| {
        format!(
            "[tasks.m]\nkind = \"mlqa\"\nmodels = [\"short\"]\ntrained_in = \"squad\"\nevaluate = \"{file}\"\n"
        )
    };
    let error = refusal(&task("mlqa/MLQA_V1/train/x.json"));
    assert!(
        error.contains("datasets.lock lists under `mlqa`") && error.contains("MLQA_V1/train/x.json"),
        "{error}"
    );
    let error = refusal(&task("mlqa"));
    assert!(error.contains("one file"), "{error}");
}

#[test]
fn tydi_qa_is_answered_once_and_scored_by_language() {
    let tydiqa = r#"
        [tasks.tydiqa]
        kind = "tydiqa"
        models = ["short"]
        train = "tydiqa-goldp/train"
        train_language = "en"
        evaluate = "tydiqa-goldp/dev"
    "#;
    let plan = plan(tydiqa);
    let cells = cells(&plan, "tydiqa");
    assert_eq!(cells.len(), 9 * 2);
    assert!(cells[..9].iter().all(|cell| cell.predict == cells[0].predict));
    assert_eq!(cells[0].protocol, "standard 384/128, trained on en");
    let languages = cells[..9].iter().map(|cell| match &plan.stages[cell.score].work {
        Work::Score(scoring) => scoring.questions.language.clone().unwrap(),
        _ => panic!("no score"),
    });
    assert_eq!(languages.collect::<String>(), "arbnenfiidkoruswte");
    let Work::Finetune(training) = &plan.stages[cells[0].finetune].work else { panic!("no training") };
    assert_eq!((training.questions.task, training.questions.language.as_deref()), (Task::TydiQa, Some("en")));
    let error = refusal(&format!("{tydiqa}\nlanguages = [\"th\"]"));
    assert!(error.contains("tasks.tydiqa.languages") && error.contains("`th`"), "{error}");
}

#[test]
fn triviaqa_has_defaults_of_its_own_and_its_documents_are_prepared_once() {
    let triviaqa = r#"
        [tasks.trivia]
        kind = "triviaqa"
        models = ["long"]
        train = "triviaqa-rc/qa/wikipedia-train.json"
        evaluate = "triviaqa-rc/qa/wikipedia-dev.json"
    "#;
    let plan = plan(triviaqa);
    let cells = cells(&plan, "trivia");
    let Work::Finetune(training) = &plan.stages[cells[0].finetune].work else { panic!("no training") };
    assert_eq!(training.settings.num_train_epochs, 5.0);
    assert_eq!((training.settings.max_length, training.settings.max_question_length), (4096, 55));
    assert_eq!(cells[0].protocol, "standard 4096, first slice");
    let (title, file) = read_file(&plan, cells[0].finetune, Role::Train);
    assert_eq!((title, file), ("triviaqa-rc", Some("qa/wikipedia-train.json")));
    let prepared = plan.stages.iter().filter(|stage| stage.work.kind() == "prepare").count();
    assert_eq!(prepared, 1, "seeds share their examples");
    let error = refusal(&format!("{triviaqa}\nprotocol = \"sagen-2021\""));
    assert!(error.contains("tasks.trivia.protocol") && error.contains("standard for TriviaQA"), "{error}");
}

#[test]
fn protocol_and_attention_are_settings_of_the_task() {
    let sq3 = r#"
        [tasks.sq3]
        kind = "sq3"
        models = ["long"]
        train = "squad-1.1/train"
        evaluate = "squad-1.1/dev"
        n_concat = 5
        protocol = "sagen-2021"
        attention = "dense"
        max_length = 2048
    "#;
    let plan = plan(sq3);
    let cell = cells(&plan, "sq3")[0];
    assert_eq!((cell.rules, cell.attention), (Protocol::Sagen2021, Attention::Dense));
    assert_eq!(cell.protocol, "sagen-2021 2048, 5 joined, dense");
    let Work::Predict(answering) = &plan.stages[cell.predict].work else { panic!("no answers") };
    assert_eq!((answering.settings.protocol, answering.questions.n_concat.get()), (Protocol::Sagen2021, 5));
    let error = refusal(&sq3.replace("dense", "dence"));
    assert!(error.contains("tasks.sq3.attention") && error.contains("dence"), "{error}");
}

#[test]
fn joined_contexts_keep_the_first_question_about_each_or_all() {
    let sq3 = r#"
        [tasks.sq10]
        kind = "sq3"
        models = ["long"]
        train_kind = "squad"
        train = "squad-1.1/train"
        evaluate = "squad-1.1/dev"
        n_concat = 10
        kept = "all"
        max_length = 512
    "#;
    let plan = plan(sq3);
    let cell = cells(&plan, "sq10")[0];
    assert_eq!(cell.protocol, "standard 512/128, 10 joined, all questions");
    let Work::Predict(answering) = &plan.stages[cell.predict].work else { panic!("no answers") };
    let asked = Reading {
        n_concat: NonZeroUsize::new(10).unwrap(),
        kept: KeptQuestions::All,
        ..Reading::of(Task::Sq3)
    };
    assert_eq!(answering.questions, asked);
    let Work::Finetune(training) = &plan.stages[cell.finetune].work else { panic!("no training") };
    assert_eq!(training.questions, Reading::of(Task::Squad));
    assert!(refusal(&sq3.replace("all", "last")).contains("`last`"));
    let error = refusal(&sq3.replace("\"sq3\"", "\"squad\""));
    assert!(error.contains("`tasks.sq10.n_concat`: expected nothing, as only sq3 and xq3 join"), "{error}");
    let error = refusal(&sq3.replace("\"sq3\"", "\"squad\"").replace("n_concat = 10", ""));
    assert!(error.contains("tasks.sq10.kept") && error.contains("kind squad"), "{error}");
}

#[test]
fn every_pair_of_training_and_evaluation_files_is_compared_once() {
    let tasks = r#"
        [tasks.sq3]
        kind = "sq3"
        models = ["long"]
        trained_in = "squad"
        evaluate = "squad-1.1/dev"
        [tasks.german]
        kind = "xq3"
        models = ["long"]
        trained_in = "squad"
        evaluate = "xquad/de"
        overlap = "report"
        [tasks.tydiqa]
        kind = "tydiqa"
        models = ["short"]
        train = "tydiqa-goldp/train"
        train_language = "en"
        evaluate = "tydiqa-goldp/dev"
        languages = ["en", "fi"]
        [tasks.trivia]
        kind = "triviaqa"
        models = ["long"]
        train = "triviaqa-rc/qa/wikipedia-train.json"
        evaluate = "triviaqa-rc/qa/wikipedia-dev.json"
    "#;
    let plan = plan(tasks);
    let squad = Reading::of(Task::Squad);
    let all = Reading::of(Task::TydiQa);
    let english = Reading { language: Some("en".to_owned()), ..all.clone() };
    let compared: Vec<_> = plan
        .stages
        .iter()
        .filter_map(|stage| match &stage.work {
            Work::Overlap(comparing) => Some((stage.title.as_str(), comparing)),
            _ => None,
        })
        .collect();
    let comparing = |train: &Reading, evaluate: &Reading, overlap| {
        let (train, evaluate) = (train.clone(), evaluate.clone());
        Comparing { train, evaluate, overlap }
    };
    let expected = [
        ("squad-1.1/train and squad-1.1/dev", &comparing(&squad, &squad, OnOverlap::Refuse)),
        ("squad-1.1/train and xquad/de", &comparing(&squad, &squad, OnOverlap::Report)),
        ("tydiqa-goldp/train and tydiqa-goldp/dev", &comparing(&english, &all, OnOverlap::Refuse)),
    ];
    assert_eq!(compared, expected);
    let last = (0..plan.stages.len()).rfind(|&at| plan.is_comparison(at)).unwrap();
    let trained = cells(&plan, "squad").iter().map(|cell| cell.finetune).min().unwrap();
    assert!(last < trained);
    let error = refusal(&tasks.replace("kind = \"triviaqa\"", "kind = \"triviaqa\"\noverlap = \"report\""));
    assert!(error.contains("`tasks.trivia.overlap`: expected nothing"), "{error}");
    assert!(refusal(&tasks.replace("\"report\"", "\"ignore\"")).contains("`ignore`"));
}

#[test]
fn several_languages_need_a_pattern() {
    let task = "[tasks.x]\nkind = \"xquad\"\nmodels = [\"long\"]\ntrained_in = \"squad\"\n";
    let error = refusal(&format!("{task}evaluate = \"xquad/de\"\nlanguages = [\"de\", \"en\"]"));
    assert!(error.contains("tasks.x.evaluate") && error.contains("{language}"), "{error}");
    let error = refusal(&format!("{task}evaluate = \"xquad/{{language}}\"\nlanguages = [\"de\", \"de\"]"));
    assert!(error.contains("each language once"), "{error}");
}

#[test]
fn a_file_of_this_machine_comes_with_its_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence/wikipedia/deep");
    fs::create_dir_all(&evidence).unwrap();
    fs::create_dir(folder.path().join("qa")).unwrap();
    for (path, text) in [("qa/a.json", "{}"), ("qa/b.json", "{}"), ("evidence/wikipedia/deep/x.txt", "x")] {
        fs::write(folder.path().join(path), text).unwrap();
    }
    let root = folder.path().display();
    let triviaqa = format!(
        "[tasks.t]\nkind = \"triviaqa\"\nmodels = [\"long\"]\ntrain = \"{root}/qa/a.json\"\nevaluate = \"{root}/qa/b.json\"\n"
    );
    let plan = plan(&triviaqa);
    let cell = cells(&plan, "t")[0];
    let input = plan.stages[cell.predict].inputs.iter().find(|input| input.role == Role::Evaluate).unwrap();
    assert_eq!(input.file.as_deref(), Some("qa/b.json"));
    let Work::Copy(copied) = &plan.stages[input.stage].work else { panic!("no copy") };
    let files: Vec<_> = copied.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["qa/b.json", "evidence/wikipedia/deep/x.txt"]);
}
