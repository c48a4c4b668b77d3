//! Running a question-answering model over the windows of a data set.

use tch::Tensor;

use super::decode::{DecodeSettings, Decoder};
use super::{NbestPredictions, QaError};
use crate::corpus::QaDataset;
use crate::interrupt::Interrupt;
use crate::model::{Batch, GlobalPolicy, Mode, QuestionAnswering};
use crate::text::windows::Window;

/// Answers all questions of `dataset`, cut into `windows`. Windows of like length share a forward
/// pass of `batch_size` rows; `observe` is told how many are done.
///
/// # Errors
/// A model that gives no number, windows that are not the data set's, [`QaError::Interrupted`].
pub fn predict(
    model: &QuestionAnswering,
    dataset: &QaDataset,
    windows: &[Window],
    batch_size: usize,
    decode: DecodeSettings,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(usize),
) -> Result<NbestPredictions, QaError> {
    let mut decoder = Decoder::new(dataset, decode)?;
    let mut by_length: Vec<&Window> = windows.iter().collect();
    // The longest first, so that a batch that does not fit in memory fails at once.
    by_length.sort_by_key(|window| std::cmp::Reverse(window.input_ids.len()));
    let policy = GlobalPolicy::of(model.config());
    let device = model.parameters().device();
    let mut done = 0;
    for chunk in by_length.chunks(batch_size.max(1)) {
        interrupt.check()?;
        let rows: Vec<_> = chunk.iter().map(|window| policy.sequence(window)).collect();
        let batch = Batch::of_sequences(&rows, model.config().pad_token_id, device)?;
        let logits = tch::no_grad(|| model.forward(&batch, Mode::Evaluate))?;
        let (starts, ends) = (rows_of(&logits.start)?, rows_of(&logits.end)?);
        for ((window, start), end) in chunk.iter().zip(&starts).zip(&ends) {
            let length = window.input_ids.len();
            decoder.add(window, &start[..length], &end[..length])?;
        }
        done += chunk.len();
        observe(done);
    }
    Ok(decoder.finish())
}

/// `[batch, length]` f32 on any device to one vector per row.
fn rows_of(logits: &Tensor) -> Result<Vec<Vec<f32>>, QaError> {
    Ok(Vec::try_from(logits)?)
}
