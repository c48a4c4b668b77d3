//! What the stages of a task are told: settings, and how their questions are read.

use serde::Serialize;

use crate::corpus::Reading;
use crate::qa::predict::PredictSettings;
use crate::text::{Protocol, Slices};
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

/// TriviaQA's documents as tokens. The same for every seed and precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Preparing {
    pub max_length: usize,
    pub doc_stride: usize,
    pub max_question_length: usize,
    pub max_document_length: usize,
    pub max_answer_spans: usize,
    pub slices: Slices,
    pub do_lowercase: bool,
}

impl Preparing {
    /// What `settings` say of documents.
    pub fn of(settings: &FinetuneSettings) -> Self {
        let FinetuneSettings {
            max_length,
            doc_stride,
            max_question_length,
            max_document_length,
            max_answer_spans,
            slices,
            do_lowercase,
            ..
        } = *settings;
        Self {
            max_length,
            doc_stride,
            max_question_length,
            max_document_length,
            max_answer_spans,
            slices,
            do_lowercase,
        }
    }
}
