//! The keys that an experiment file may hold, and the search for one that it may not.
//!
//! A misspelt setting that is silently ignored costs a run, so every key is looked up here, and an
//! unknown one is reported with its line, its full path and the known key most like it.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ExperimentError;
use super::file::TASK_SETTINGS;
use super::settings::{GenerateSettings, HeldOutSettings, InitializeSettings, TokenizerSettings};
use super::settings_table::SettingsTable;
use crate::model::convert::LongSettings;
use crate::qa::predict::PredictSettings;
use crate::train::settings::{FinetuneSettings, PretrainSettings};

/// What may stand under a key.
enum Shape {
    /// A value; what it must be is its type's affair.
    Leaf,
    /// A table with these keys.
    Table(Vec<(String, Shape)>),
    /// A table whose keys are names that the user chooses.
    Named(Box<Shape>),
    /// A table of values of one of several kinds. Which kind, its first key tells.
    Kinds(Vec<Vec<&'static str>>),
}

fn table<'a>(names: impl IntoIterator<Item = &'a str>, tables: Vec<(&str, Shape)>) -> Shape {
    let leaves = names.into_iter().map(|name| (name.to_owned(), Shape::Leaf));
    Shape::Table(leaves.chain(tables.into_iter().map(|(name, shape)| (name.to_owned(), shape))).collect())
}

/// The keys of the settings `S`, after those of `own`.
fn keys<S: SettingsTable>(own: &[&'static str]) -> Vec<&'static str> {
    own.iter().copied().chain(S::KEYS.iter().map(|(key, _)| *key)).collect()
}

fn leaves<S: SettingsTable>(own: &[&'static str]) -> Shape {
    table(keys::<S>(own), Vec::new())
}

fn experiment() -> Shape {
    let pretrain = || leaves::<PretrainSettings>(&["train_file_path", "val_file_path", "published"]);
    let finetune = || {
        // The seeds of fine-tuning are the experiment's `seeds`.
        let keys = FinetuneSettings::KEYS.iter().map(|(key, _)| *key);
        table(keys.filter(|key| *key != "seed"), Vec::new())
    };
    let predict = || leaves::<PredictSettings>(&[]);
    let named = |shape| Shape::Named(Box::new(shape));
    let model = table(
        ["checkpoint", "from", "tokenizer", "published", "base"],
        vec![
            ("initialize", leaves::<InitializeSettings>(&[])),
            ("convert", leaves::<LongSettings>(&[])),
            ("pretrain", pretrain()),
            ("finetune", finetune()),
            ("predict", predict()),
        ],
    );
    let task = table(
        [
            "kind",
            "models",
            "seeds",
            "trained_in",
            "train",
            "train_kind",
            "train_language",
            "evaluate",
            "language",
            "languages",
            "context_languages",
            "n_concat",
            "kept",
            "overlap",
            "published",
        ]
        .into_iter()
        .chain(TASK_SETTINGS),
        vec![("finetune", finetune()), ("predict", predict())],
    );
    let data = Shape::Kinds(vec![
        keys::<GenerateSettings>(&["generate"]),
        vec!["questions", "without", "expected_paragraphs", "expected_questions"],
        keys::<HeldOutSettings>(&["text"]),
    ]);
    table(
        ["name", "description", "seeds"],
        vec![
            ("data", named(data)),
            ("tokenizers", named(leaves::<TokenizerSettings>(&["train_on"]))),
            ("models", named(model)),
            ("tasks", named(task)),
            ("pretrain", pretrain()),
            ("finetune", finetune()),
            ("predict", predict()),
            ("published", table(["sources"], Vec::new())),
        ],
    )
}

/// Fails at the first key, in the file's order, that means nothing.
pub(super) fn check(path: &Path, text: &str, root: &DeTable) -> Result<(), ExperimentError> {
    let mut unknown = Vec::new();
    search(root, &experiment(), "", &mut unknown);
    let Some(first) = unknown.into_iter().min_by_key(|found| found.at) else { return Ok(()) };
    Err(ExperimentError::UnknownKey {
        path: path.to_owned(),
        line: 1 + text.bytes().take(first.at).filter(|byte| *byte == b'\n').count(),
        key: first.key,
        nearest: first.nearest,
        known: first.known,
    })
}

struct Unknown {
    at: usize,
    key: String,
    nearest: Option<String>,
    known: Vec<String>,
}

fn search(inner: &DeTable, shape: &Shape, prefix: &str, unknown: &mut Vec<Unknown>) {
    if let Shape::Kinds(kinds) = shape {
        let said = |kind: &&Vec<&str>| kind.first().is_some_and(|first| inner.contains_key(*first));
        // Where no kind is said, or several are, the reader of the table says so; here any key of theirs will do.
        let known = match kinds.iter().filter(said).collect::<Vec<_>>()[..] {
            [kind] => kind.clone(),
            _ => kinds.concat(),
        };
        return search(inner, &table(known, Vec::new()), prefix, unknown);
    }
    for (key, value) in inner {
        let name: &str = key.get_ref();
        let full = format!("{prefix}{name}");
        let below = match shape {
            Shape::Leaf | Shape::Kinds(_) => continue,
            Shape::Named(shape) => Some(&**shape),
            Shape::Table(known) => known.iter().find(|(key, _)| key == name).map(|(_, shape)| shape),
        };
        match (below, value.get_ref(), shape) {
            (Some(below), DeValue::Table(inner), _) => search(inner, below, &format!("{full}."), unknown),
            (Some(_), ..) => {}
            (None, _, Shape::Table(known)) => {
                let known: Vec<String> = known.iter().map(|(key, _)| key.clone()).collect();
                let nearest = nearest(name, &known).map(|near| format!("{prefix}{near}"));
                unknown.push(Unknown { at: key.span().start, key: full, nearest, known });
            }
            (None, ..) => {}
        }
    }
}

/// The candidate most like `name`, if any is like it at all.
pub(super) fn nearest<'a>(name: &str, candidates: &'a [String]) -> Option<&'a str> {
    const ALIKE: f64 = 0.7;
    candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate.as_str()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let root = DeTable::parse(text).unwrap();
        check(Path::new("x.toml"), text, root.get_ref()).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_its_tables_and_the_nearest_known_one() {
        let text = "name = \"x\"\n\n[models.tiny.pretrain]\nmax_steps = 3\nlearnig_rate = 1e-3\n";
        assert_eq!(
            message(text),
            "x.toml:5: unknown key `models.tiny.pretrain.learnig_rate`; \
             the nearest known key is `models.tiny.pretrain.learning_rate`"
        );
    }

    #[test]
    fn an_unknown_table_is_found_too_and_the_first_in_the_file_is_reported() {
        let text = "[model.tiny]\ncheckpoint = \"x\"\n[tasks.a]\nmodel = 1\n";
        assert!(
            message(text).starts_with("x.toml:1: unknown key `model`; the nearest known key is `models`")
        );
    }

    #[test]
    fn a_key_like_no_other_gets_the_list() {
        let message = message("zzz = 1\n");
        assert!(message.contains("known here: ") && message.contains("seeds"), "{message}");
    }

    #[test]
    fn a_key_of_another_kind_of_data_is_unknown() {
        let text = "[data.a]\nquestions = \"x\"\nwithuot = []\nseed = 1\n";
        assert!(message(text).contains("`data.a.withuot`; the nearest known key is `data.a.without`"));
        assert!(
            message(&text.replace("withuot", "without")).starts_with("x.toml:4: unknown key `data.a.seed`")
        );
        assert!(message("[data.a]\nqestions = \"x\"\n").ends_with("`data.a.questions`"));
    }

    #[test]
    fn a_seed_for_finetuning_is_refused_in_favour_of_seeds() {
        assert!(message("[finetune]\nseed = 1\n").contains("unknown key `finetune.seed`"));
    }
}
