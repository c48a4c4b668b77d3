//! The experiment file: which models, on which tasks, with which seeds and settings.
//!
//! `docs/experiments.md` describes it to its users. Here it is read strictly (every key must mean
//! something, every value must have the right type); what settings it comes to is `resolve.rs`'s
//! question, what the names in it refer to `expand.rs`'s.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::ExperimentError;
use super::keys;
use super::works::OnOverlap;
use crate::corpus::KeptQuestions;
use crate::digest::Digest;
use crate::random::Seed;

/// An experiment as its file gives it.
#[derive(Debug, Deserialize)]
pub struct Experiment {
    /// Its name; also that of its results folder.
    pub name: String,
    /// A sentence or two for the reader.
    #[serde(default)]
    pub description: String,
    /// Seeds of fine-tuning; every task is run once with each.
    pub seeds: Vec<Seed>,
    #[serde(default)]
    pub(super) data: BTreeMap<String, DataSection>,
    #[serde(default)]
    pub(super) tokenizers: BTreeMap<String, TokenizerSection>,
    pub(super) models: BTreeMap<String, ModelSection>,
    #[serde(default)]
    pub(super) tasks: BTreeMap<String, TaskSection>,
    #[serde(default)]
    pub(super) pretrain: toml::Table,
    #[serde(default)]
    pub(super) finetune: toml::Table,
    #[serde(default)]
    pub(super) predict: toml::Table,
    /// What published numbers to show beside ours.
    #[serde(default)]
    pub published: PublishedSection,
    /// Names of models in the file's order.
    #[serde(skip)]
    pub(super) model_order: Vec<String>,
    /// Names of tasks in the file's order.
    #[serde(skip)]
    pub(super) task_order: Vec<String>,
    /// Where it was read from.
    #[serde(skip)]
    pub path: PathBuf,
    /// The file's text, byte for byte.
    #[serde(skip)]
    pub text: String,
}

/// Which published numbers stand in the tables.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct PublishedSection {
    /// Sources by the names of `results/published.csv`, in the order wanted; none means all.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// Files made of a seed (`generate`), of other questions (`questions`) or of other texts (`text`): exactly one
/// of the three is given.
#[derive(Debug, Deserialize)]
pub(super) struct DataSection {
    pub generate: Option<String>,
    pub questions: Option<String>,
    /// The files whose paragraphs are left out of `questions`.
    #[serde(default)]
    pub without: Vec<String>,
    pub expected_paragraphs: Option<usize>,
    pub expected_questions: Option<usize>,
    pub text: Option<Vec<String>>,
    #[serde(flatten)]
    pub settings: toml::Table,
}

#[derive(Debug, Deserialize)]
pub(super) struct TokenizerSection {
    pub train_on: String,
    #[serde(flatten)]
    pub settings: toml::Table,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelSection {
    pub checkpoint: Option<String>,
    pub from: Option<String>,
    pub tokenizer: Option<String>,
    pub published: Option<String>,
    /// The short model to compare with, where `from` does not lead to it.
    pub base: Option<String>,
    pub initialize: Option<toml::Table>,
    pub convert: Option<toml::Table>,
    pub pretrain: Option<toml::Table>,
    #[serde(default)]
    pub finetune: toml::Table,
    #[serde(default)]
    pub predict: toml::Table,
}

#[derive(Debug, Deserialize)]
pub(super) struct TaskSection {
    pub kind: String,
    pub models: Vec<String>,
    /// Those of the experiment's seeds that the task is run with; all if none are named.
    pub seeds: Option<Vec<Seed>>,
    /// The task whose models are asked, in the place of a training of its own.
    pub trained_in: Option<String>,
    pub train: Option<String>,
    /// What the training questions are read as, where that is not the task's own way.
    pub train_kind: Option<String>,
    /// The one language of the training questions that is used.
    pub train_language: Option<String>,
    pub evaluate: Evaluate,
    #[serde(default = "english")]
    pub language: String,
    #[serde(default)]
    pub languages: Vec<String>,
    #[serde(default)]
    pub context_languages: Vec<String>,
    pub n_concat: Option<NonZeroUsize>,
    /// What follows if training and evaluation share paragraphs.
    pub overlap: Option<OnOverlap>,
    /// Which questions about joined contexts stay.
    pub kept: Option<KeptQuestions>,
    pub published: Option<String>,
    #[serde(default)]
    pub finetune: toml::Table,
    #[serde(default)]
    pub predict: toml::Table,
    /// Keys of `finetune` that may stand in the task's own table.
    #[serde(flatten)]
    pub own: toml::Table,
}

fn english() -> String {
    "en".into()
}

/// One file, a pattern of file names, or one file for each language.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a file, or a table of one file for each language")]
pub(super) enum Evaluate {
    One(String),
    Each(BTreeMap<String, String>),
}

/// Settings of fine-tuning that may stand in a task's own table: they say what the task is.
pub(super) const TASK_SETTINGS: [&str; 8] = [
    "max_length",
    "doc_stride",
    "max_question_length",
    "protocol",
    "do_lowercase",
    "attention",
    "slices",
    "max_document_length",
];

impl Experiment {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        let bytes =
            fs::read(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        let text = String::from_utf8(bytes).map_err(|error| ExperimentError::Syntax {
            path: path.to_owned(),
            message: format!("not UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
        })?;
        Self::parse(path, text)
    }

    pub(super) fn parse(path: &Path, text: String) -> Result<Self, ExperimentError> {
        let syntax = |error: toml::de::Error| ExperimentError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        };
        let root = DeTable::parse(&text).map_err(syntax)?;
        keys::check(path, &text, root.get_ref())?;
        let model_order = order(root.get_ref(), "models");
        let task_order = order(root.get_ref(), "tasks");
        let read: Self = toml::from_str(&text).map_err(syntax)?;
        let read = Self { model_order, task_order, path: path.to_owned(), text, ..read };
        read.validate()?;
        Ok(read)
    }

    /// The short model that `model` was made long from, by `base` or by `from`.
    pub(super) fn base_of(&self, model: &str) -> Option<String> {
        let mut section = self.models.get(model)?;
        loop {
            if section.base.is_some() {
                return section.base.clone();
            }
            let from = section.from.as_ref()?;
            if section.convert.is_some() {
                return Some(from.clone());
            }
            section = self.models.get(from)?;
        }
    }

    /// The digest of the file's text.
    pub fn digest(&self) -> Digest {
        Digest::of_bytes(self.text.as_bytes())
    }

    fn validate(&self) -> Result<(), ExperimentError> {
        self.name_is_plain("name", &self.name)?;
        for (table, names) in [
            ("data", self.data.keys().collect::<Vec<_>>()),
            ("tokenizers", self.tokenizers.keys().collect()),
            ("models", self.models.keys().collect()),
            ("tasks", self.tasks.keys().collect()),
        ] {
            for name in names {
                self.name_is_plain(&format!("{table}.{name}"), name)?;
            }
        }
        for name in self.data.keys() {
            self.data_source(name)?;
        }
        if self.seeds.is_empty() {
            return Err(self.wrong("seeds", "at least one seed", "none"));
        }
        for (name, task) in &self.tasks {
            let own = task.seeds.iter().flatten();
            if let Some(other) = own.into_iter().find(|seed| !self.seeds.contains(seed)) {
                return Err(self.wrong(
                    &format!("tasks.{name}.seeds"),
                    "some of the experiment's seeds",
                    other.0.to_string(),
                ));
            }
        }
        let mut seen = HashSet::new();
        match self.seeds.iter().find(|seed| !seen.insert(**seed)) {
            Some(twice) => Err(self.wrong("seeds", "each seed once", format!("{} twice", twice.0))),
            None => Ok(()),
        }
    }

    /// Names become folder names and table cells.
    fn name_is_plain(&self, key: &str, name: &str) -> Result<(), ExperimentError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Ok(());
        }
        Err(self.wrong(key, "a name of letters, digits, `-`, `_` and `.`", format!("`{name}`")))
    }

    pub(super) fn wrong(&self, key: &str, expected: &str, found: impl Into<String>) -> ExperimentError {
        ExperimentError::Value {
            path: self.path.clone(),
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: found.into(),
        }
    }
}

/// The names in a table in the order in which the file first mentions them.
fn order(root: &DeTable, table: &str) -> Vec<String> {
    let Some(DeValue::Table(inner)) = root.get(table).map(|value| value.get_ref()) else {
        return Vec::new();
    };
    let mut names: Vec<_> = inner.keys().map(|key| (key.span().start, key.get_ref().to_string())).collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Experiment, ExperimentError> {
        Experiment::parse(Path::new("x.toml"), text.to_owned())
    }

    #[test]
    fn broken_files_are_typed_errors() {
        for (text, part) in [
            ("name = ", "x.toml"),
            ("name = \"x\"", "seeds"),
            ("name = \"x\"\nseeds = []\n[models]", "at least one seed"),
            ("name = \"x\"\nseeds = [1, 1]\n[models]", "1 twice"),
            ("name = \"a/b\"\nseeds = [1]\n[models]", "a/b"),
            ("name = \"x\"\nseeds = [1]\n[models.\"..\"]", "models..."),
            ("name = \"x\"\nseeds = [-1]\n[models]", "line 2"),
            (
                "name = \"x\"\nseeds = [1]\n[models]\n[tasks.t]\nkind = \"squad\"\nmodels = []\ntrain = \"a\"\n\
                 evaluate = \"b\"\nseeds = [2]",
                "tasks.t.seeds",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_not_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        fs::write(&path, b"name = \"\xff\"").unwrap();
        assert!(Experiment::read(&path).unwrap_err().to_string().contains("not UTF-8 from byte 8"));
    }
}
