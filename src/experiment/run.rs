//! Running a plan: what is missing, in order, with state that survives a stop at any moment.
//!
//! Only what the results need is made: a finished score does not ask for the model it came from, so
//! big folders may be removed from the store once their scores are there. A stage that fails leaves
//! its error in the store, the stages behind it are left out, and all others still run: one seed
//! that diverges does not cost the table. Only where a comparison of training and evaluation fails
//! is all the rest left out: the experiment is wrong, which is best known before hours of training.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::manifest::{Manifest, Measures};
use super::plan::Plan;
use super::progress::{Display, Pace};
use super::provenance::Provenance;
use super::stage::{Input, Role, Stage};
use super::store::{Check, Store};
use super::{ExperimentError, StageFailure};
use crate::causes;
use crate::interrupt::Interrupt;

/// How the bodies of stages are run. There are two: the real one, and that of the tests.
pub trait Execute {
    /// Makes the output of `stage` in `place.output`.
    fn execute(&self, stage: &Stage, place: &Place) -> Result<Measures, StageFailure>;
}

/// What the body of a stage is given.
pub struct Place<'a> {
    /// The paths of the stage's inputs, in the same order.
    pub inputs: Vec<(Role, PathBuf)>,
    /// An empty folder for the output.
    pub output: &'a Path,
    /// A folder that lasts from one attempt to the next.
    pub state: &'a Path,
    /// Whether the user has asked to stop.
    pub interrupt: &'a Interrupt,
    /// The stage's own progress bar.
    pub progress: &'a ProgressBar,
}

impl Place<'_> {
    /// The paths of the inputs with that role.
    pub fn inputs_of(&self, role: Role) -> Vec<&Path> {
        let of_role = self.inputs.iter().filter(|(other, _)| *other == role);
        of_role.map(|(_, path)| path.as_path()).collect()
    }

    /// The path of the input with that role.
    pub fn input(&self, role: Role) -> Result<&Path, StageFailure> {
        let found = self.inputs.iter().find(|(other, _)| *other == role);
        found.map(|(_, path)| path.as_path()).ok_or_else(|| format!("no input {}", role.name()).into())
    }
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Stages made now.
    pub made: usize,
    /// Stages that were there already, of those that the results need.
    pub found: usize,
    /// Stages that failed, by place in the plan, with what they said.
    pub failed: Vec<(usize, ExperimentError)>,
    /// Stages left out because one before them failed, or because training and evaluation are not
    /// known to be apart.
    pub left_out: Vec<usize>,
}

/// Everything that a run needs besides its plan.
pub struct Runner<'a> {
    /// Where finished stages are.
    pub store: &'a Store,
    /// What runs their bodies.
    pub execute: &'a dyn Execute,
    /// Whether the user has asked to stop.
    pub interrupt: &'a Interrupt,
    /// What manifests say about program and machine.
    pub provenance: &'a Provenance,
}

/// What a run has to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Todo {
    /// Stages to make, in order.
    pub missing: Vec<usize>,
    /// Finished stages that these read, and finished targets.
    pub present: Vec<usize>,
}

impl Todo {
    /// What of `plan` is missing in `store` and needed.
    pub fn of(plan: &Plan, store: &Store) -> Result<Self, ExperimentError> {
        let mut needed = vec![false; plan.stages.len()];
        plan.targets().for_each(|target| needed[target] = true);
        let mut todo = Self { missing: Vec::new(), present: Vec::new() };
        for at in (0..plan.stages.len()).rev() {
            if !needed[at] {
                continue;
            }
            if store.finished(&plan.stages[at])?.is_some() {
                todo.present.push(at);
            } else {
                todo.missing.push(at);
                plan.stages[at].inputs.iter().for_each(|input| needed[input.stage] = true);
            }
        }
        todo.missing.reverse();
        todo.present.reverse();
        Ok(todo)
    }
}

impl Runner<'_> {
    /// Makes what is missing. Fails at once when the user asks to stop or the store cannot be
    /// written; a stage that fails is in the outcome.
    pub fn run(&self, plan: &Plan) -> Result<Outcome, ExperimentError> {
        let todo = Todo::of(plan, self.store)?;
        let mut outcome = Outcome { found: todo.present.len(), ..Outcome::default() };
        let mut pace = Pace::default();
        for at in &todo.present {
            if let Some(manifest) = self.store.finished(&plan.stages[*at])? {
                pace.learn(&manifest);
            }
        }
        let display = Display::new(todo.missing.len());
        let mut lost = HashSet::new();
        let mut verified = HashSet::new();
        for (done, &at) in todo.missing.iter().enumerate() {
            self.interrupt.check()?;
            let stage = &plan.stages[at];
            if !plan.is_comparison(at) && outcome.failed.iter().any(|(failed, _)| plan.is_comparison(*failed))
            {
                display.refused();
                outcome.left_out.extend(&todo.missing[done..]);
                break;
            }
            if stage.inputs.iter().any(|input| lost.contains(&input.stage)) {
                lost.insert(at);
                outcome.left_out.push(at);
                display.left_out(stage);
                continue;
            }
            display.begin(
                done + 1,
                stage,
                pace.seconds(todo.missing[done..].iter().map(|at| &plan.stages[*at])),
            );
            match self.make(plan, stage, &display, &mut verified) {
                Ok(Made::Now(manifest)) => {
                    outcome.made += 1;
                    pace.learn(&manifest);
                    display.finished(stage, manifest.wall_seconds);
                }
                Ok(Made::Meanwhile) => outcome.found += 1,
                Err(error @ ExperimentError::Stage { .. }) if !error.is_interruption() => {
                    display.failed(&error);
                    lost.insert(at);
                    outcome.failed.push((at, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcome)
    }

    fn make(
        &self,
        plan: &Plan,
        stage: &Stage,
        display: &Display,
        verified: &mut HashSet<usize>,
    ) -> Result<Made, ExperimentError> {
        let claim = self.store.claim(stage, self.interrupt, || display.waiting(stage))?;
        if self.store.finished(stage)?.is_some() {
            claim.release()?;
            return Ok(Made::Meanwhile);
        }
        for input in &stage.inputs {
            // Once per run: bytes that were read and found right are taken to stay so.
            if verified.insert(input.stage) {
                self.store.verify(&plan.stages[input.stage], Check::Digests)?;
            }
        }
        let output = claim.open_output()?;
        let state = claim.state_folder();
        let place = Place {
            inputs: stage.inputs.iter().map(|input| (input.role, self.path(plan, input))).collect(),
            output: output.path(),
            state: &state,
            interrupt: self.interrupt,
            progress: display.bar(),
        };
        match self.execute.execute(stage, &place) {
            Ok(measures) => {
                Ok(Made::Now(Box::new(claim.commit(stage, output, measures, self.provenance)?)))
            }
            Err(source) => {
                let error = ExperimentError::Stage {
                    kind: stage.work.kind(),
                    key: stage.key,
                    title: stage.title.clone(),
                    source,
                };
                if !error.is_interruption() {
                    claim.record_failure(causes::words(&error))?;
                }
                Err(error)
            }
        }
    }

    fn path(&self, plan: &Plan, input: &Input) -> PathBuf {
        let folder = self.store.output(&plan.stages[input.stage]);
        match &input.file {
            Some(file) => folder.join(file),
            None => folder,
        }
    }
}

enum Made {
    /// By this process.
    Now(Box<Manifest>),
    /// By another one, while this one waited for it.
    Meanwhile,
}
