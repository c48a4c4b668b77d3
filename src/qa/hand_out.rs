//! The windows that questions are answered from, written down so that another program can answer from the
//! same ones.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use tch::Device;

use super::QaError;
use super::predict::{self, PredictSettings};
use crate::corpus::QaDataset;
use crate::durable;
use crate::model::QuestionInput;
use crate::text::Protocol;
use crate::text::windows::{self, Window};

/// A line of the file: a window's tokens, and which of them can be an answer.
#[derive(Serialize)]
struct Line<'a> {
    question_id: &'a str,
    input_ids: Vec<i64>,
    /// Where the second segment begins.
    second_segment: Option<usize>,
    /// Positions of the tokens with global attention.
    global: Vec<usize>,
    /// The context's first token.
    context_position: usize,
    /// For each token of the context its characters, from the first to one past the last.
    context_offsets: Vec<(usize, usize)>,
    /// For each token of the context whether an answer may begin with it in this window.
    has_most_context: &'a [bool],
}

/// Writes the windows of `dataset` as [`predict::answer`] would give them to the question-answering model in
/// the folder `model` to `path`: a JSON object per line.
///
/// # Errors
/// As [`predict::answer`]'s, and [`QaError::AnswerWithoutPlace`] for another than the standard protocol.
pub fn write_windows(
    model: &Path,
    dataset: &QaDataset,
    settings: &PredictSettings,
    path: &Path,
) -> Result<(), QaError> {
    if settings.protocol != Protocol::Standard {
        return Err(QaError::AnswerWithoutPlace { found: settings.protocol });
    }
    let (tokenizer, network) = predict::open(model, settings, Device::Cpu)?;
    let input = QuestionInput::of(network.config(), tokenizer.special());
    let windows = windows::of_dataset(dataset, &tokenizer, &settings.windows())?;
    durable::write_with(path, |out| {
        windows.iter().try_for_each(|window| {
            serde_json::to_writer(&mut *out, &Line::of(window, dataset, input))?;
            out.write_all(b"\n")
        })
    })?;
    Ok(())
}

impl<'a> Line<'a> {
    fn of(window: &'a Window, dataset: &'a QaDataset, input: QuestionInput) -> Self {
        let row = input.row(&window.input_ids, window.question_end);
        Self {
            question_id: &dataset.questions[window.question].id,
            input_ids: row.input_ids,
            second_segment: row.second_segment,
            global: row.global,
            context_position: window.context_position,
            context_offsets: window.context_offsets.iter().map(|span| (span.start, span.end)).collect(),
            has_most_context: &window.has_most_context,
        }
    }
}
