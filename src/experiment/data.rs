//! The `[data.NAME]` sections: the stages that make their files, and what those stages do that are not
//! the miniature.

use serde::Serialize;

use super::expand::Builder;
use super::file::Experiment;
use super::manifest::Measures;
use super::run::Place;
use super::settings::HeldOutSettings;
use super::stage::{Input, Role, Work};
use super::{ExperimentError, StageFailure, outcome};
use crate::corpus::held_out;
use crate::corpus::without::{self, Expected};

/// What a `questions` section leaves.
const QUESTIONS: &str = "questions.json";
/// What a `text` section leaves.
const TRAIN: &str = "train.raw";
const HELD_OUT: &str = "held-out.raw";
/// The counts that both leave beside.
const COUNTS: &str = "counts.json";

/// What the files of a section are made of.
pub(super) enum DataSource<'a> {
    /// A seed.
    Miniature,
    /// Other questions.
    Questions(&'a str),
    /// Other texts.
    Texts(&'a [String]),
}

impl Experiment {
    /// What `[data.NAME]` says that its files are made of.
    pub(super) fn data_source(&self, name: &str) -> Result<DataSource<'_>, ExperimentError> {
        let section = &self.data[name];
        let key = |key: &str| format!("data.{name}.{key}");
        match (&section.generate, &section.questions, &section.text) {
            (Some(generator), None, None) if generator == "miniature" => Ok(DataSource::Miniature),
            (Some(generator), None, None) => {
                Err(self.wrong(&key("generate"), "`miniature`", format!("`{generator}`")))
            }
            (None, Some(_), None) if section.without.is_empty() => {
                Err(self.wrong(&key("without"), "at least one file", "none"))
            }
            (None, Some(questions), None) => Ok(DataSource::Questions(questions)),
            (None, None, Some(texts)) if texts.is_empty() => {
                Err(self.wrong(&key("text"), "at least one file", "none"))
            }
            (None, None, Some(texts)) => Ok(DataSource::Texts(texts)),
            (None, None, None) => Err(self.not_one(name, "none")),
            _ => Err(self.not_one(name, "several")),
        }
    }

    fn not_one(&self, name: &str, found: &str) -> ExperimentError {
        self.wrong(&format!("data.{name}"), "one of `generate`, `questions`, `text`", found)
    }
}

impl Builder<'_> {
    /// The stage that makes `file` of `[data.NAME]`, which `key` asks for.
    pub(super) fn data(&mut self, key: &str, name: &str, file: &str) -> Result<usize, ExperimentError> {
        let experiment = self.experiment;
        let section = &experiment.data[name];
        let of = |key: &str| format!("data.{name}.{key}");
        let holds = |files: &[&str]| match files.contains(&file) {
            true => Ok(()),
            false => {
                let expected = format!("one of the files of [data.{name}]: {}", files.join(", "));
                Err(experiment.wrong(key, &expected, format!("`{file}`")))
            }
        };
        match experiment.data_source(name)? {
            DataSource::Miniature => {
                let settings = experiment.generate_settings(name)?;
                Ok(self.stage(name.to_owned(), Work::Miniature(settings), Vec::new()))
            }
            DataSource::Questions(questions) => {
                holds(&[QUESTIONS])?;
                self.begin(format!("data.{name}"), "questions")?;
                let mut inputs = vec![self.read(Role::Questions, &of("questions"), questions)?];
                for other in &section.without {
                    inputs.push(self.read(Role::Without, &of("without"), other)?);
                }
                self.end();
                let (paragraphs, questions) = (section.expected_paragraphs, section.expected_questions);
                Ok(self.stage(name.to_owned(), Work::Without(Expected { paragraphs, questions }), inputs))
            }
            DataSource::Texts(texts) => {
                holds(&[TRAIN, HELD_OUT])?;
                let settings = experiment.held_out_settings(name)?;
                self.begin(format!("data.{name}"), "text")?;
                let mut inputs = Vec::new();
                for text in texts {
                    inputs.push(self.read(Role::Text, &of("text"), text)?);
                }
                self.end();
                Ok(self.stage(name.to_owned(), Work::HeldOut(settings), inputs))
            }
        }
    }

    fn read(&mut self, role: Role, key: &str, file: &str) -> Result<Input, ExperimentError> {
        let found = self.file(key, file)?;
        Ok(self.input(role, found))
    }
}

/// The body of a [`Work::Without`] called `title`.
pub(super) fn leave_out(expected: Expected, title: &str, place: &Place) -> Result<Measures, StageFailure> {
    let (questions, others) = (place.input(Role::Questions)?, place.inputs_of(Role::Without));
    let (articles, counts) = without::leave_out(questions, &others, expected)?;
    articles.write(&place.output.join(QUESTIONS))?;
    let without::Counts { before, left_out, left } = counts;
    tracing::info!(
        "{title}: {} of {} paragraphs left out with {} of {} questions; {} paragraphs and {} questions are left",
        left_out.paragraphs,
        before.paragraphs,
        left_out.questions,
        before.questions,
        left.paragraphs,
        left.questions
    );
    counted(&counts, place)
}

/// The body of a [`Work::HeldOut`] called `title`.
pub(super) fn hold_out(
    settings: &HeldOutSettings,
    title: &str,
    place: &Place,
) -> Result<Measures, StageFailure> {
    let files = [TRAIN, HELD_OUT].map(|name| place.output.join(name));
    let texts = place.inputs_of(Role::Text);
    let counts = held_out::write(&texts, settings.held_out, &files[0], &files[1])?;
    let held_out::Counts { train, held_out } = counts;
    tracing::info!(
        "{title}: {} of {} articles held out, {} of {} characters",
        held_out.articles,
        held_out.articles + train.articles,
        held_out.characters,
        held_out.characters + train.characters
    );
    counted(&counts, place)
}

/// Leaves `counts` as a file too.
fn counted(counts: &impl Serialize, place: &Place) -> Result<Measures, StageFailure> {
    outcome::write_json(&place.output.join(COUNTS), counts)?;
    Ok(serde_json::from_value(serde_json::to_value(counts)?)?)
}
