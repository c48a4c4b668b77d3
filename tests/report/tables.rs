//! Tables by value.

use std::collections::HashMap;
use std::sync::LazyLock;

use longqa::corpus::Task;
use longqa::report::groups::groups;
use longqa::report::published;
use longqa::report::runs::Record;
use longqa::report::tables::{Table, subjects, tables};

use crate::fixture;

fn all(record: &Record) -> HashMap<&'static str, Table> {
    let published = published::numbers(&record.experiment.published).unwrap();
    let groups = groups(&record.runs);
    let tables = tables(record, &groups, &subjects(&groups), &published);
    tables.into_iter().map(|table| (table.name, table)).collect()
}

/// Those of the fixture as it stands.
static ALL: LazyLock<HashMap<&str, Table>> = LazyLock::new(|| all(&fixture::record()));

/// The rows of a table's CSV, by column.
fn csv(table: &Table) -> Vec<HashMap<String, String>> {
    let mut bytes = Vec::new();
    table.write_csv(&mut bytes).unwrap();
    csv::Reader::from_reader(bytes.as_slice()).deserialize().collect::<Result<_, _>>().unwrap()
}

fn row<'a>(rows: &'a [HashMap<String, String>], wanted: &[(&str, &str)]) -> &'a HashMap<String, String> {
    let found = rows.iter().find(|row| wanted.iter().all(|(column, value)| row[*column] == *value));
    found.unwrap_or_else(|| panic!("no row {wanted:?}"))
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}`"))
}

#[test]
fn a_table_stands_for_each_question_that_was_asked_and_for_no_other() {
    let mut names: Vec<_> = ALL.keys().copied().collect();
    names.sort_unstable();
    assert_eq!(names, ["bpc", "comparisons", "cost", "depth", "mlqa", "runs", "squad", "xquad"]);
}

#[test]
fn a_row_is_the_mean_over_seeds_with_its_interval() {
    let record = fixture::record();
    let rows = csv(&ALL["squad"]);
    let found = row(&rows, &[("task", "squad-512"), ("model", "roberta-long")]);
    let same =
        record.runs.iter().filter(|run| run.cell.task == "squad-512" && run.cell.model == "roberta-long");
    let f1: Vec<f64> = same.map(|run| run.scores.as_ref().unwrap().f1).collect();
    let mean = f1.iter().sum::<f64>() / 3.0;
    let deviation = (f1.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    assert_eq!((&found["f1"], &found["f1_sd"]), (&format!("{mean:.4}"), &format!("{deviation:.4}")));
    let (low, high) = (number(&found["f1_ci_low"]), number(&found["f1_ci_high"]));
    assert!(low < mean && mean < high && high - low > deviation, "{low} {high}");
    assert_eq!((found["seeds"].as_str(), found["questions"].as_str()), ("3", "40"));
    assert_eq!((found["exact_match_chance"].as_str(), found["f1_chance"].as_str()), ("4.0000", "20.5000"));
    let partly = row(&rows, &[("task", "squad-2048"), ("model", "roberta-long")]);
    assert_eq!(partly["seeds"], "2", "what was not run does not count");
}

#[test]
fn published_numbers_stand_beside_the_row_they_belong_to_and_below_if_to_none() {
    let rows = csv(&ALL["squad"]);
    let sagen = row(&rows, &[("task", "squad-512-sagen"), ("model", "roberta-base")]);
    assert_eq!(sagen["published_source"], "sagen-2021");
    assert_eq!(sagen["published_protocol"], "dev 512");
    assert_eq!(
        (sagen["published_exact_match"].as_str(), sagen["published_f1_sd"].as_str()),
        ("84.3000", "0.1000")
    );
    let standard = row(&rows, &[("task", "squad-512"), ("model", "roberta-base")]);
    assert_eq!(standard["published_source"], "", "the original's numbers are by its own rules");
    // No window of ours is 384 tokens long: two cards of one model are two rows without ours.
    let cards =
        rows.iter().filter(|row| row["published_source"] == "model-card" && row["model"] == "roberta-base");
    let cards: Vec<_> =
        cards.map(|row| (row["task"].as_str(), row["f1"].as_str(), row["published_f1"].as_str())).collect();
    assert_eq!(cards, [("squad", "", "92.3000"), ("squad", "", "92.1300")]);
}

#[test]
fn averages_are_over_languages_seed_by_seed() {
    let record = fixture::record();
    let rows = csv(&ALL["xquad"]);
    let average = row(&rows, &[("language", "avg"), ("model", "xlm-roberta-long")]);
    let of_seed = |seed: u64| {
        let same = record.runs.iter().filter(|run| {
            run.cell.kind == Task::Xquad && run.cell.model == "xlm-roberta-long" && run.cell.seed.0 == seed
        });
        let values: Vec<f64> = same.map(|run| run.scores.as_ref().unwrap().f1).collect();
        assert_eq!(values.len(), fixture::LANGUAGES.len());
        values.iter().sum::<f64>() / values.len() as f64
    };
    let means = fixture::SEEDS.map(of_seed);
    assert_eq!(average["f1"], format!("{:.4}", means.iter().sum::<f64>() / 3.0));
    assert_ne!(average["f1_ci_low"], "");
    let rows = csv(&ALL["mlqa"]);
    let average = row(&rows, &[("language", "avg"), ("context_language", ""), ("model", "xlm-roberta-long")]);
    assert_eq!(
        (average["published_source"].as_str(), average["published_f1"].as_str()),
        ("sagen-2021", "61.9000")
    );
    row(&rows, &[("language", "avg of all pairs"), ("context_language", "")]);
    let cross = row(&rows, &[("language", "de"), ("context_language", "en")]);
    assert_eq!(cross["published_source"], "", "published numbers are of one language");
}

#[test]
fn an_average_lacks_no_language() {
    let mut record = fixture::record();
    for run in &mut record.runs {
        if run.cell.kind == Task::Xquad && run.cell.language == "zh" {
            (run.scores, run.questions, run.outcomes) = (None, None, None);
        }
    }
    let rows = csv(&all(&record)["xquad"]);
    let average = row(&rows, &[("language", "avg"), ("model", "xlm-roberta-base")]);
    assert_eq!((average["f1"].as_str(), average["seeds"].as_str()), ("", "0"));
}

#[test]
fn long_models_are_compared_with_the_short_ones_they_were_made_from() {
    let rows = csv(&ALL["comparisons"]);
    let found = row(&rows, &[("task", "squad-512"), ("model", "roberta-long")]);
    assert_eq!((found["other_model"].as_str(), found["questions"].as_str()), ("roberta-base", "40"));
    let squad = csv(&ALL["squad"]);
    let f1 = |model: &str| number(&row(&squad, &[("task", "squad-512"), ("model", model)])["f1"]);
    let difference = number(&found["f1_difference"]);
    assert!((difference - (f1("roberta-long") - f1("roberta-base"))).abs() < 1e-3);
    assert!(number(&found["f1_difference_ci_low"]) < difference);
    // The long window against the short one, on the same questions by the same rules.
    let wide = row(&rows, &[("task", "squad-2048"), ("model", "roberta-long")]);
    assert_eq!(wide["other_task"], "squad-512");
    let mut lengths = rows.iter().filter(|row| row["difference_in"] == "length");
    assert!(lengths.all(|row| row["model"].ends_with("-long") && row["other_model"].ends_with("-base")));
    row(&rows, &[("task", "xquad-512"), ("language", "avg")]);
}

fn task(kind: &str, name: &str, models: &str, more: &str) -> String {
    format!(
        "[tasks.{name}]\nkind = \"{kind}\"\nmodels = [{models}]\ntrain = \"miniature/train-v1.1.json\"\n\
         evaluate = \"miniature/dev-v1.1.json\"\nmax_length = 64\ndoc_stride = 16\n{more}\n"
    )
}

/// What is compared in the tiny experiment with `sections` in the place of its tasks, none of it run.
fn comparisons_with(sections: &[String]) -> Vec<HashMap<String, String>> {
    let (head, _) = fixture::TINY.split_once("[tasks.near]").unwrap();
    csv(&all(&fixture::planned(&(head.to_owned() + &sections.concat())))["comparisons"])
}

#[test]
fn models_are_compared_that_differ_in_attention_rules_or_making_alone() {
    let task = |name: &str, models: &str, more: &str| task("squad", name, models, more);
    let experiment = [
        "[models.untrained]\nfrom = \"short\"\nconvert = { max_position = 128, attention_window = 16 }\n"
            .into(),
        task("window", "\"short\", \"untrained\", \"long\"", ""),
        task("dense", "\"long\"", "attention = \"dense\""),
        task("sagen", "\"short\"", "protocol = \"sagen-2021\""),
    ];
    let rows = comparisons_with(&experiment);
    let told = ["difference_in", "task", "model", "other_task", "other_model"];
    let mut found: Vec<_> = rows.iter().map(|row| told.map(|name| row[name].as_str()).join(" ")).collect();
    found.sort();
    let expected = [
        "attention dense long window long",
        "length dense long window short",
        "length window long  short",
        "length window untrained  short",
        "model window long  untrained",
        "protocol sagen short window short",
    ];
    assert_eq!(found, expected);
}

#[test]
fn other_questions_and_other_training_questions_are_not_compared() {
    let task = |name: &str, models: &str, more: &str| task("sq3", name, models, more);
    let experiment = [
        task("three", "\"short\", \"long\"", ""),
        task("two", "\"short\", \"long\"", "n_concat = 2"),
        task("plain", "\"short\", \"long\"", "train_kind = \"squad\""),
    ];
    let rows = comparisons_with(&experiment);
    let pairs: Vec<_> = rows.iter().map(|row| (row["task"].as_str(), row["other_task"].as_str())).collect();
    assert_eq!(pairs, [("three", ""), ("two", ""), ("plain", "")], "each with itself alone");
    assert!(rows.iter().all(|row| row["f1_difference"].is_empty() && row["questions"].is_empty()));
}

#[test]
fn bits_per_character_of_two_texts_never_share_a_column() {
    let mut record = fixture::record();
    record.pretrainings[1].corpus = "other".into();
    let rows = csv(&all(&record)["bpc"]);
    let first = row(&rows, &[("model", "roberta-long"), ("step", "6000")]);
    assert_ne!(first["bits_per_character on wikitext-103"], "");
    assert_eq!(first["bits_per_character on other"], "");
    assert_eq!(first["published_bits_per_character on wikitext-103"], "1.7250");
    let second = row(&rows, &[("model", "xlm-roberta-long"), ("step", "0")]);
    assert_eq!(second["bits_per_character on wikitext-103"], "");
    assert_eq!(second["published_source"], "");
}

#[test]
fn cost_sums_what_was_measured_and_leaves_the_rest_empty() {
    let mut record = fixture::record();
    let rows = csv(&ALL["cost"]);
    let found = row(&rows, &[("stage", "finetune"), ("model", "roberta-base"), ("task", "squad-512")]);
    assert_eq!((found["stages"].as_str(), found["device_hours"].as_str()), ("3", "4.5000"));
    assert_eq!((found["energy_kwh"].as_str(), found["tokens_per_second"].as_str()), ("3.0000", "91000.0000"));
    assert_eq!(found["peak_device_gib"], "");
    for stage in record.stages.iter_mut().take(3) {
        stage.measures.clear();
    }
    let rows = csv(&all(&record)["cost"]);
    let found = row(&rows, &[("stage", "finetune"), ("model", "roberta-base"), ("task", "squad-512")]);
    assert_eq!(
        (found["stages"].as_str(), found["energy_kwh"].as_str()),
        ("3", ""),
        "a sum that lacks a part is none"
    );
}
