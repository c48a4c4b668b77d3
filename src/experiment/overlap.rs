//! No paragraph that a task is evaluated on stands in its training file: the stages that see to it, and
//! their body.
//!
//! They are results as the scores are, so that they are made even where scores are there already, and
//! the plan has them before everything that trains. TriviaQA has none: its documents are found for each
//! question anew, and training and evaluation share some of them by the making of the data set.

use tracing::warn;

use super::expand::Builder;
use super::manifest::Measures;
use super::run::Place;
use super::stage::{Input, Role, Work};
use super::tasks::{answered, reading};
use super::works::{Comparing, OnOverlap};
use super::{ExperimentError, StageFailure, outcome};
use crate::corpus::Task;
use crate::corpus::overlap::Overlap;

/// What a comparison leaves.
const OVERLAP: &str = "overlap.json";

/// A stage before it has its place in the plan.
struct Comparison {
    title: String,
    work: Comparing,
    inputs: Vec<Input>,
}

impl<'a> Builder<'a> {
    /// Adds the comparisons of all tasks, every one behind the data of all.
    pub(super) fn comparisons(&mut self) -> Result<(), ExperimentError> {
        let mut all = Vec::new();
        for name in &self.experiment.task_order {
            all.append(&mut self.comparisons_of(name)?);
        }
        for Comparison { title, work, inputs } in all {
            self.stage(title, Work::Overlap(work), inputs);
        }
        Ok(())
    }

    fn comparisons_of(&mut self, name: &'a str) -> Result<Vec<Comparison>, ExperimentError> {
        let section = &self.experiment.tasks[name];
        let kind = self.kind(&format!("tasks.{name}.kind"), &section.kind)?;
        let (trained, train_kind) = self.trained_in(name, kind)?;
        if [kind, train_kind].contains(&Task::TriviaQa) {
            let expected = "nothing, as training and evaluation of TriviaQA share documents";
            return match section.overlap {
                None => Ok(Vec::new()),
                Some(_) => Err(self.experiment.wrong(&format!("tasks.{name}.overlap"), expected, "a rule")),
            };
        }
        let training = self.training_questions(trained, train_kind)?;
        let mut comparisons = Vec::new();
        for evaluation in self.evaluations(name, kind)? {
            let file = self.questions(&format!("tasks.{name}.evaluate"), &evaluation.file, kind)?;
            let (language, context) = (evaluation.language, evaluation.context_language);
            let asked = answered(section, &reading(section, kind, Some(language), context));
            comparisons.push(Comparison {
                title: format!("{} and {}", training.name, evaluation.file),
                work: Comparing {
                    train: training.reading.paragraphs(),
                    evaluate: asked.paragraphs(),
                    overlap: section.overlap.unwrap_or_default(),
                },
                inputs: vec![
                    self.input(Role::Train, training.source.clone()),
                    self.input(Role::Evaluate, file),
                ],
            });
        }
        Ok(comparisons)
    }
}

/// Counts the paragraphs that the two files of `place` share.
///
/// # Errors
/// [`ExperimentError::Overlap`] where there are some and there should be none; what is wrong with a file.
pub(super) fn compare(comparing: &Comparing, place: &Place) -> Result<Measures, StageFailure> {
    let (train, evaluate) = (place.input(Role::Train)?, place.input(Role::Evaluate)?);
    let overlap = Overlap::between(&comparing.train.read(train)?, &comparing.evaluate.read(evaluate)?);
    if overlap.shared > 0 {
        let (training, evaluation) = (train.to_owned(), evaluate.to_owned());
        let found = ExperimentError::Overlap { training, evaluation, overlap: overlap.clone() };
        match comparing.overlap {
            OnOverlap::Refuse => return Err(found.into()),
            OnOverlap::Report => warn!("{found}"),
        }
    }
    outcome::write_json(&place.output.join(OVERLAP), &overlap)?;
    Ok(Measures::from([
        ("training_paragraphs".into(), overlap.training.into()),
        ("evaluation_paragraphs".into(), overlap.evaluation.into()),
        ("shared_paragraphs".into(), overlap.shared.into()),
    ]))
}
