//! What the stages of a task are told: settings, and how their questions are read.

use serde::{Deserialize, Serialize};

use crate::corpus::Reading;
use crate::qa::predict::PredictSettings;
use crate::text::{DocumentSettings, ExampleSettings, Protocol, Slices, WindowSettings};
use crate::train::TrainError;
use crate::train::settings::FinetuneSettings;

/// Training on questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finetuning {
    /// How it is trained.
    #[serde(flatten)]
    pub settings: FinetuneSettings,
    /// How the training file is read.
    pub questions: Reading,
}

/// Answering questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answering {
    /// How they are answered.
    #[serde(flatten)]
    pub settings: PredictSettings,
    /// How their file is read.
    pub questions: Reading,
}

/// Scoring answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scoring {
    /// How the file with the gold answers is read, and whose rules the score follows.
    pub questions: Reading,
    /// By which rules the questions were answered; the original work's have one scorer for all tasks.
    pub protocol: Protocol,
}

/// Holding the paragraphs of an evaluation against those of the training before it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparing {
    /// How the training file is read.
    pub train: Reading,
    /// How the file of the evaluation is read.
    pub evaluate: Reading,
    /// What follows if they share some.
    pub overlap: OnOverlap,
}

/// What follows if training and evaluation share paragraphs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnOverlap {
    /// Nothing is trained.
    #[default]
    Refuse,
    /// Their number is kept, and told in a warning.
    Report,
}

/// TriviaQA's documents as training examples: the same for every seed and precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Preparing {
    pub max_length: usize,
    pub doc_stride: usize,
    pub max_question_length: usize,
    pub max_document_length: usize,
    pub max_answer_spans: usize,
    pub slices: Slices,
}

impl Preparing {
    /// What `settings` say of documents.
    ///
    /// # Errors
    /// Those of [`FinetuneSettings::examples`].
    pub fn of(settings: &FinetuneSettings) -> Result<Self, TrainError> {
        let ExampleSettings { documents, max_answer_spans } = settings.examples()?;
        let DocumentSettings { windows, slices, max_document_length } = documents;
        let WindowSettings { max_length, doc_stride, max_question_length } = windows;
        Ok(Self {
            max_length,
            doc_stride,
            max_question_length,
            max_document_length,
            max_answer_spans,
            slices,
        })
    }

    /// The same as the making of examples takes them.
    pub fn settings(&self) -> ExampleSettings {
        let Self { max_length, doc_stride, max_question_length, .. } = *self;
        let windows = WindowSettings { max_length, doc_stride, max_question_length };
        let (slices, max_document_length) = (self.slices, self.max_document_length);
        let documents = DocumentSettings { windows, slices, max_document_length };
        ExampleSettings { documents, max_answer_spans: self.max_answer_spans }
    }
}
