//! The plan of an experiment: its stages, each one once, every stage after those it reads, and what
//! the numbers of its tables are made of.

use serde::{Deserialize, Serialize};

use super::ExperimentError;
use super::expand;
use super::file::Experiment;
use super::stage::{Stage, Work};
use crate::corpus::Task;
use crate::fetch::Lock;
use crate::model::Attention;
use crate::random::Seed;
use crate::text::Protocol;

/// Everything an experiment consists of.
#[derive(Debug)]
pub struct Plan {
    /// The stages, every one after its inputs.
    pub stages: Vec<Stage>,
    /// One for each number of the table and seed.
    pub cells: Vec<Cell>,
    /// One for each model that is pretrained.
    pub pretrainings: Vec<Pretraining>,
}

/// One model on one task in one language with one seed. Written down beside its results, it leaves
/// its places in the plan out: there is no plan then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The model's name in the experiment file.
    pub model: String,
    /// Its name among the published numbers.
    pub published_model: String,
    /// The short model that it was made long from, by its name in the experiment file.
    pub base_model: Option<String>,
    /// The task's name in the experiment file.
    pub task: String,
    /// Whose data and metrics they are.
    pub kind: Task,
    /// Its name among the published numbers.
    pub published_task: String,
    /// What the questions were read from, as the experiment file names it.
    pub evaluated_on: String,
    /// The language of the questions.
    pub language: String,
    /// The language of the contexts, where it may be another one.
    pub context_language: Option<String>,
    /// The seed of fine-tuning.
    pub seed: Seed,
    /// By which rules.
    pub rules: Protocol,
    /// Tokens of a window.
    pub max_length: usize,
    /// How the model attends.
    pub attention: Attention,
    /// How it is done, for people, `standard 384/128`: rules, window length, distance of windows,
    /// `dense` if it is.
    pub protocol: String,
    /// The stage that trains, by its place in the plan.
    #[serde(skip)]
    pub finetune: usize,
    /// The stage that answers.
    #[serde(skip)]
    pub predict: usize,
    /// The stage that scores.
    #[serde(skip)]
    pub score: usize,
}

/// One model's masked-language-model training.
#[derive(Debug, Clone)]
pub struct Pretraining {
    /// The model's name in the experiment file.
    pub model: String,
    /// Its name among the published numbers.
    pub published_model: String,
    /// The text that it is evaluated on: its name among the published numbers, else its reference.
    pub corpus: String,
    /// Tokens per block.
    pub max_length: usize,
    /// The stage, by its place in the plan.
    pub stage: usize,
}

impl Plan {
    /// Expands `experiment`, with `lock` for the names of remote files. Reads local files to take
    /// their digests, and nothing else.
    pub fn new(experiment: &Experiment, lock: &Lock) -> Result<Self, ExperimentError> {
        Ok(expand::expand(experiment, lock)?.with_downloads_first())
    }

    /// The stages that an experiment is run for: its scores, its pretrained models, and that training and
    /// evaluation are apart.
    pub fn targets(&self) -> impl Iterator<Item = usize> + '_ {
        let compared = (0..self.stages.len()).filter(|&at| self.is_comparison(at));
        let pretrained = self.pretrainings.iter().map(|pretraining| pretraining.stage);
        compared.chain(pretrained).chain(self.cells.iter().map(|cell| cell.score))
    }

    /// Whether the stage at that place compares training and evaluation. All of them stand before
    /// everything that trains.
    pub fn is_comparison(&self, at: usize) -> bool {
        matches!(self.stages[at].work, Work::Overlap(_))
    }

    /// A missing file is best known before hours of work.
    fn with_downloads_first(mut self) -> Self {
        let brings_files = |stage: &Stage| matches!(stage.work, Work::Fetch(_) | Work::Copy(_));
        let mut order: Vec<usize> = (0..self.stages.len()).collect();
        order.sort_by_key(|&at| !brings_files(&self.stages[at]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        let mut stages: Vec<_> = self.stages.into_iter().enumerate().collect();
        stages.sort_by_key(|(old, _)| place[*old]);
        self.stages = stages.into_iter().map(|(_, stage)| stage).collect();
        for input in self.stages.iter_mut().flat_map(|stage| &mut stage.inputs) {
            input.stage = place[input.stage];
        }
        for cell in &mut self.cells {
            for at in [&mut cell.finetune, &mut cell.predict, &mut cell.score] {
                *at = place[*at];
            }
        }
        for pretraining in &mut self.pretrainings {
            pretraining.stage = place[pretraining.stage];
        }
        self
    }
}
