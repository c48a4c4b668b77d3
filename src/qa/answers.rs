//! What answering gives: an answer to each question, the candidates behind it, and the questions that were
//! left out.

use std::path::Path;

use super::{NbestPredictions, Predictions, QaError};
use crate::text::truncated;

/// Answers to the questions of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// What the task's official scorer reads, in the order of the file. For TriviaQA by question id of
    /// Wikipedia's files, by `id--document` of the web's.
    pub predictions: Predictions,
    /// The best candidates of each question; for TriviaQA from each document, by `id--document`, whatever
    /// the domain.
    pub nbest: NbestPredictions,
    /// The ids of questions that [`Protocol::Sagen2021`] neither answers nor scores, in the order of the
    /// file; none under the standard protocol.
    ///
    /// [`Protocol::Sagen2021`]: crate::text::Protocol::Sagen2021
    pub left_out: Vec<String>,
}

impl Answers {
    /// Each question's best candidate is its answer, and no question is left out.
    pub fn best_of(nbest: NbestPredictions) -> Self {
        Self { predictions: nbest.best(), nbest, left_out: Vec::new() }
    }

    /// Writes `predictions.json`, `nbest_predictions.json` and `left_out.json` into `folder`.
    ///
    /// # Errors
    /// [`QaError::Write`].
    pub fn write(&self, folder: &Path) -> Result<(), QaError> {
        self.nbest.write(&folder.join("nbest_predictions.json"))?;
        self.predictions.write(&folder.join("predictions.json"))?;
        Ok(truncated::write_left_out(&self.left_out, folder)?)
    }
}
