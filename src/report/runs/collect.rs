//! The runs of an experiment, read from the stage store.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{Header, Keys, Outcomes, Point, PretrainingRun, QuestionSet, Record, Run, StageRecord};
use crate::experiment::execute::PREDICTIONS;
use crate::experiment::family::{Families, FamilyKey};
use crate::experiment::plan::{Cell, Pretraining};
use crate::experiment::stage::{Stage, StageKey, Work};
use crate::experiment::{Experiment, Plan, Store, outcome};
use crate::report::ReportError;
use crate::train::METRICS;

impl Record {
    /// All cells of `plan`, with the outcomes of those that are finished in `store`.
    pub fn collect(experiment: &Experiment, plan: &Plan, store: &Store) -> Result<Self, ReportError> {
        let (families, keys) = Families::of(plan);
        let mut reader = Reader { plan, store, families: keys, known: Vec::new() };
        let runs = plan.cells.iter().map(|cell| reader.run(cell)).collect::<Result<_, _>>()?;
        let pretrainings = plan.pretrainings.iter().map(|pretraining| reader.pretraining(pretraining));
        Ok(Self {
            experiment: Header {
                name: experiment.name.clone(),
                description: experiment.description.clone(),
                published: experiment.published.sources.clone(),
                written: jiff::Timestamp::now().to_string(),
            },
            pretrainings: pretrainings.collect::<Result<_, _>>()?,
            runs,
            stages: reader.stages()?,
            families,
        })
    }
}

/// The files of answers that `plan` has in `store`, by the stage that made them. A predict stage may
/// have been removed once its scores were there.
pub fn predictions(plan: &Plan, store: &Store) -> Vec<(StageKey, PathBuf)> {
    let mut seen = HashSet::new();
    let stages = plan.cells.iter().map(|cell| &plan.stages[cell.predict]);
    let files = stages.filter(|stage| seen.insert(stage.key));
    let files = files.map(|stage| (stage.key, store.output(stage).join(PREDICTIONS)));
    files.filter(|(_, path)| path.is_file()).collect()
}

struct Reader<'a> {
    plan: &'a Plan,
    store: &'a Store,
    families: Vec<FamilyKey>,
    known: Vec<Arc<QuestionSet>>,
}

impl Reader<'_> {
    fn run(&mut self, cell: &Cell) -> Result<Run, ReportError> {
        let stage = &self.plan.stages[cell.score];
        let [finetune, predict, score] =
            [cell.finetune, cell.predict, cell.score].map(|at| self.plan.stages[at].key);
        let mut run = Run {
            cell: cell.clone(),
            keys: Keys { finetune, predict, score },
            family: self.families[cell.score],
            scores: None,
            questions: None,
            outcomes: None,
        };
        if self.store.finished(stage)?.is_some() {
            run.scores = Some(self.outcome(stage, outcome::read_scores)?);
            let outcomes = Outcomes::of(self.outcome(stage, outcome::read_questions)?, &mut self.known);
            run.questions = Some(outcomes.questions.digest);
            run.outcomes = Some(outcomes);
        }
        Ok(run)
    }

    fn pretraining(&self, pretraining: &Pretraining) -> Result<PretrainingRun, ReportError> {
        let stage = &self.plan.stages[pretraining.stage];
        let evaluations = match self.store.finished(stage)? {
            Some(_) => self.outcome(stage, outcome::read_pretraining)?.evaluations,
            None => Vec::new(),
        };
        Ok(PretrainingRun {
            model: pretraining.model.clone(),
            published_model: pretraining.published_model.clone(),
            corpus: pretraining.corpus.clone(),
            max_length: pretraining.max_length,
            key: stage.key,
            family: self.families[pretraining.stage],
            evaluations,
        })
    }

    fn stages(&self) -> Result<Vec<StageRecord>, ReportError> {
        let mut seen = HashSet::new();
        let mut records = Vec::new();
        for stage in &self.plan.stages {
            if !matches!(stage.work, Work::Pretrain(_) | Work::Finetune(_) | Work::Predict(_)) {
                continue;
            }
            let Some(manifest) = self.store.finished(stage)? else { continue };
            if seen.insert(stage.key) {
                records.push(StageRecord {
                    key: stage.key,
                    kind: manifest.kind,
                    title: manifest.title,
                    finished: manifest.finished,
                    wall_seconds: manifest.wall_seconds,
                    attempts: manifest.attempts,
                    device: manifest.provenance.device,
                    host: manifest.provenance.host,
                    revision: manifest.provenance.build.revision,
                    measures: manifest.measures,
                    curve: self.outcome(stage, curve)?,
                });
            }
        }
        Ok(records)
    }

    fn outcome<T>(&self, stage: &Stage, read: fn(&Path) -> io::Result<T>) -> Result<T, ReportError> {
        let folder = self.store.output(stage);
        read(&folder).map_err(|source| ReportError::Outcome { folder, source })
    }
}

/// The course of the training whose output lies in `folder`; empty of a stage that trains nothing.
fn curve(folder: &Path) -> io::Result<Vec<Point>> {
    let text = match fs::read_to_string(folder.join("logs").join(METRICS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
