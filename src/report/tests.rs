//! Tables from runs given by hand, compared with texts written by hand.

use super::published::Published;
use super::runs::{self, Run};
use super::{ResultsFolder, depth, pretraining, table};
use crate::corpus::Task;
use crate::digest::Digest;
use crate::experiment::outcome::{Chance, QuestionOutcome, ScoreOutcome};
use crate::experiment::plan::Cell;
use crate::experiment::stage::StageKey;
use crate::model::Attention;
use crate::random::Seed;
use crate::text::Protocol;

fn run(model: &str, task: &str, seed: u64, exact_match: Option<f64>, depths: &[(usize, u8)]) -> Run {
    let key = |name: &str| StageKey(Digest::of_bytes(name.as_bytes()));
    Run {
        cell: Cell {
            model: model.into(),
            published_model: model.into(),
            base_model: None,
            task: task.into(),
            kind: Task::Squad,
            published_task: "squad".into(),
            evaluated_on: "squad-1.1/dev".into(),
            language: "en".into(),
            context_language: None,
            rules: Protocol::Standard,
            max_length: 384,
            attention: Attention::SlidingWindowGlobal,
            seed: Seed(seed),
            protocol: "standard 384/128".into(),
            finetune: 0,
            predict: 1,
            score: 2,
        },
        keys: [key("a"), key("b"), key("c")],
        scores: exact_match.map(|exact_match| ScoreOutcome {
            exact_match,
            f1: exact_match + 5.0,
            total: 10,
            left_out: 0,
            chance: (task == "far").then_some(Chance { exact_match: 4.0, f1: 20.0 }),
        }),
        questions: depths
            .iter()
            .map(|(start, exact_match)| QuestionOutcome {
                id: start.to_string(),
                exact_match: *exact_match,
                f1: 0.5,
                answer_start: Some(*start),
                context_length: Some(100),
            })
            .collect(),
    }
}

fn published(model: &str, metric: &str, value: f64, sd: Option<f64>) -> Published {
    Published {
        source: "a-2021".into(),
        model: model.into(),
        task: "squad".into(),
        split: "dev".into(),
        setting: "512".into(),
        language: "en".into(),
        metric: metric.into(),
        value,
        sd,
        seeds: sd.map(|_| 5),
    }
}

fn runs() -> Vec<Run> {
    vec![
        run("roberta-base", "near", 1, Some(80.0), &[(5, 1), (99, 0)]),
        run("roberta-base", "near", 2, Some(84.0), &[(5, 1), (99, 1)]),
        run("roberta-long", "near", 1, Some(70.0), &[(5, 0)]),
        run("roberta-long", "near", 2, None, &[]),
        run("roberta-long", "far", 1, None, &[]),
        run("roberta-base", "far", 1, Some(50.0), &[(0, 1)]),
    ]
}

/// Mean of 80 and 84 is 82; their sample deviation √((4 + 4) / 1) = 2.83.
#[test]
fn ours_stand_above_the_published_numbers_and_a_cell_not_run_is_empty() {
    let published = [
        published("roberta-base", "exact_match", 84.3, Some(0.2)),
        published("roberta-base", "exact_match", 86.05, None),
        published("roberta-long", "f1", 90.8, Some(0.1)),
    ];
    let table = table::table(&runs(), &published);
    let expected = "\
task  language  metric       model         source  protocol           mean    sd  seeds  chance
near  en        exact_match  roberta-base  longqa  standard 384/128  82.00  2.83      2
                                           a-2021  dev 512           84.30  0.20      5
                                           a-2021  dev 512           86.05
                             roberta-long  longqa  standard 384/128  70.00            1
                f1           roberta-base  longqa  standard 384/128  87.00  2.83      2
                             roberta-long  longqa  standard 384/128  75.00            1
                                           a-2021  dev 512           90.80  0.10      5
";
    let near: Vec<_> = table.iter().filter(|row| row.task == "near").cloned().collect();
    assert_eq!(table::text(&near), expected);
    let csv = table::rows(&table);
    assert_eq!(
        csv[0],
        [
            "near",
            "en",
            "exact_match",
            "roberta-base",
            "longqa",
            "standard 384/128",
            "82.0000",
            "2.8284",
            "2",
            ""
        ]
    );
    let far = |model: &str| {
        csv.iter()
            .find(|row| row[0] == "far" && row[3] == model && row[4] == "longqa")
            .map(|row| row[6..].to_vec())
            .unwrap()
    };
    assert_eq!(far("roberta-long"), ["", "", "0", ""]);
    assert_eq!(far("roberta-base"), ["50.0000", "", "1", "4.0000"]);
}

#[test]
fn every_run_has_a_row_for_each_metric_with_its_stage_keys() {
    let rows = runs::rows(&runs());
    assert_eq!(rows.len(), 2 * runs().len());
    let a = Digest::of_bytes(b"a").short();
    assert_eq!(rows[1][..8], ["roberta-base", "near", "en", "1", "f1", "85", "10", "standard 384/128"]);
    assert_eq!(rows[1][8], a);
    assert_eq!(rows[6][..7], ["roberta-long", "near", "en", "2", "exact_match", "", ""]);
    assert!(rows.iter().all(|row| row.len() == runs::HEADINGS.len()));
}

#[test]
fn depth_is_counted_in_parts_of_the_document_and_averaged_over_seeds() {
    let depths = depth::rows_of(&runs());
    assert_eq!(depths.len(), 3 * depth::PARTS, "one group for each model and task that was run");
    let rows = depth::rows(&depths);
    assert_eq!(rows[0][4..10], ["0.0", "0.1", "1", "2", "100.0000", "0.0000"]);
    // Seed 1 missed it, seed 2 found it: 50, with deviation √((50² + 50²) / 1).
    assert_eq!(rows[9][4..10], ["0.9", "1.0", "1", "2", "50.0000", "70.7107"]);
    assert_eq!(rows[5][6..], ["0", "", "", "", "", ""]);
    let text = depth::text(&depths);
    assert!(text.lines().nth(1).unwrap().starts_with("near  en        roberta-base"), "{text}");
    assert!(text.lines().nth(1).unwrap().ends_with(" 50.0"), "{text}");
}

#[test]
fn bits_per_character_of_two_texts_never_share_a_column() {
    let row = |corpus: &str, bits: Option<f64>| pretraining::Row {
        model: "m".into(),
        source: "longqa".into(),
        protocol: "blocks of 512".into(),
        step: Some(3),
        corpus: corpus.into(),
        bits,
        stage: "k".into(),
    };
    let rows = [row("one", Some(2.5)), row("two", Some(1.5)), row("one", None)];
    assert_eq!(
        pretraining::headings(&rows),
        [
            "model",
            "source",
            "protocol",
            "step",
            "bits_per_character on one",
            "bits_per_character on two",
            "pretrain"
        ]
    );
    let cells: Vec<_> = pretraining::rows(&rows).iter().map(|row| row[4..6].to_vec()).collect();
    assert_eq!(cells, [["2.5000", ""], ["", "1.5000"], ["", ""]]);
    assert!(pretraining::text(&rows).lines().nth(1).unwrap().contains("2.500"));
}

#[test]
fn a_folder_that_cannot_be_written_is_found_out_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results");
    std::fs::write(&file, "").unwrap();
    for path in [file.join("x"), "/proc/results".into()] {
        let error = ResultsFolder::open(&path).unwrap_err().to_string();
        assert!(error.contains("cannot write results") && error.contains("--results"), "{error}");
    }
    let fresh = folder.path().join("a/b");
    ResultsFolder::open(&fresh).unwrap();
    assert_eq!(std::fs::read_dir(&fresh).unwrap().count(), 0, "trying leaves nothing");
}
