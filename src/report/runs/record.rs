//! The runs of an experiment as values: everything its tables need, without the stage store.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::experiment::family::{Families, FamilyKey};
use crate::experiment::manifest::Measures;
use crate::experiment::outcome::{Evaluation, QuestionOutcome, ScoreOutcome};
use crate::experiment::plan::Cell;
use crate::experiment::stage::StageKey;

/// The runs of one experiment, or of several merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked.
    pub experiment: Header,
    /// One for each model, task, language and seed, run or not.
    pub runs: Vec<Run>,
    /// One for each model that is pretrained.
    pub pretrainings: Vec<PretrainingRun>,
    /// The finished stages that trained or answered.
    pub stages: Vec<StageRecord>,
    /// What the runs' families stand for.
    pub families: Families,
}

/// What an experiment says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// A sentence or two.
    pub description: String,
    /// The sources of the published numbers beside ours, in order; none: all.
    pub published: Vec<String>,
    /// When the runs were written down, RFC 3339.
    pub written: String,
}

/// A cell of the experiment with what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Model, task, languages, seed.
    pub cell: Cell,
    /// The stages behind it.
    pub keys: Keys,
    /// What its score stage is apart from the seed.
    pub family: FamilyKey,
    /// The scores; none if it was not run.
    pub scores: Option<ScoreOutcome>,
    /// The digest of the questions; none if it was not run.
    pub questions: Option<Digest>,
    /// Each question's score; none if it was not run.
    #[serde(skip)]
    pub outcomes: Option<Outcomes>,
}

/// The stages behind a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The one that trained.
    pub finetune: StageKey,
    /// The one that answered.
    pub predict: StageKey,
    /// The one that scored.
    pub score: StageKey,
}

/// A metric of question answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Share of questions answered exactly.
    ExactMatch,
    /// Mean F1 of token counts.
    F1,
}

impl Metric {
    /// Both, in the tables' order.
    pub const ALL: [Metric; 2] = [Metric::ExactMatch, Metric::F1];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Metric::ExactMatch => "exact_match",
            Metric::F1 => "f1",
        }
    }
}

impl Run {
    /// The value of a metric, in percent.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        let scores = self.scores.as_ref()?;
        Some(match metric {
            Metric::ExactMatch => scores.exact_match,
            Metric::F1 => scores.f1,
        })
    }

    /// What guessing gives for a metric, in percent.
    pub fn chance(&self, metric: Metric) -> Option<f64> {
        let chance = self.scores.as_ref()?.chance?;
        Some(match metric {
            Metric::ExactMatch => chance.exact_match,
            Metric::F1 => chance.f1,
        })
    }
}

/// A question, and where in its document the answer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its id.
    pub id: String,
    /// Characters before the first gold answer; none where it has no one place.
    pub answer_start: Option<usize>,
    /// Characters of the document; none where a question has several.
    pub context_length: Option<usize>,
}

impl Question {
    /// Where the answer begins, from 0 (the document's start) to below 1.
    pub fn depth(&self) -> Option<f64> {
        Some(self.answer_start? as f64 / self.context_length?.max(1) as f64)
    }
}

/// Questions in order, shared by the runs that answer them.
#[derive(Debug, PartialEq, Eq)]
pub struct QuestionSet {
    /// The questions.
    pub questions: Vec<Question>,
    /// What stands for them.
    pub digest: Digest,
}

impl QuestionSet {
    /// These questions with their digest.
    pub fn new(questions: Vec<Question>) -> Self {
        let mut hasher = Hasher::default();
        for question in &questions {
            let number = |value: Option<usize>| value.map(|value| value.to_string()).unwrap_or_default();
            hasher.field(question.id.as_bytes());
            hasher.field(number(question.answer_start).as_bytes());
            hasher.field(number(question.context_length).as_bytes());
        }
        Self { digest: hasher.digest(), questions }
    }
}

/// Each question's score in one run, from 0 to 1, in the order of the questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    /// The questions.
    pub questions: Arc<QuestionSet>,
    /// 1 if answered exactly, else 0.
    pub exact_match: Vec<f64>,
    /// F1 of token counts.
    pub f1: Vec<f64>,
}

impl Outcomes {
    /// What a score stage left. Questions that are `known` already are shared.
    pub(super) fn of(outcomes: Vec<QuestionOutcome>, known: &mut Vec<Arc<QuestionSet>>) -> Self {
        let exact_match = outcomes.iter().map(|outcome| f64::from(outcome.exact_match)).collect();
        let f1 = outcomes.iter().map(|outcome| outcome.f1).collect();
        let questions = outcomes.into_iter().map(|outcome| Question {
            id: outcome.id,
            answer_start: outcome.answer_start,
            context_length: outcome.context_length,
        });
        Self { questions: shared(QuestionSet::new(questions.collect()), known), exact_match, f1 }
    }

    /// Each question's value of a metric.
    pub fn values(&self, metric: Metric) -> &[f64] {
        match metric {
            Metric::ExactMatch => &self.exact_match,
            Metric::F1 => &self.f1,
        }
    }
}

/// The set among those `known` that is the same, else `set`, known from now on.
pub(super) fn shared(set: QuestionSet, known: &mut Vec<Arc<QuestionSet>>) -> Arc<QuestionSet> {
    if let Some(same) = known.iter().find(|other| other.digest == set.digest) {
        return Arc::clone(same);
    }
    let set = Arc::new(set);
    known.push(Arc::clone(&set));
    set
}

/// One model's masked-language-model training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainingRun {
    /// The model's name in the experiment file.
    pub model: String,
    /// Its name among the published numbers.
    pub published_model: String,
    /// The text that it is evaluated on.
    pub corpus: String,
    /// Tokens per block.
    pub max_length: usize,
    /// The stage.
    pub key: StageKey,
    /// What the stage is.
    pub family: FamilyKey,
    /// Its evaluations, in order; none if it was not run.
    pub evaluations: Vec<Evaluation>,
}

/// A finished stage that trained or answered: what it cost and how it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage.
    pub key: StageKey,
    /// Its kind.
    pub kind: String,
    /// For people.
    pub title: String,
    /// When it was finished, RFC 3339.
    pub finished: String,
    /// Seconds of its last attempt.
    pub wall_seconds: f64,
    /// How often it was started.
    pub attempts: u32,
    /// What it computed on.
    pub device: String,
    /// The machine.
    pub host: Option<String>,
    /// The program's revision.
    pub revision: Option<String>,
    /// What its body measured.
    pub measures: Measures,
    /// The course of a training.
    pub curve: Vec<Point>,
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Optimizer steps done.
    pub step: u64,
    /// The training loss; none of an evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Bits per character of an evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_character: Option<f64>,
}
