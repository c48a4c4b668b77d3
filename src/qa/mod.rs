//! From span scores to answers, and from answers to the official metrics.
//!
//! Scores of starts and ends come in, one pair of slices per window ([`decode`], or
//! [`independent`] as in the original work); answers go out as
//! files in the official layout ([`predictions`]) and as the official numbers ([`metrics`]), beside what
//! guessing would give ([`chance`]). A single question is answered by [`ask`]; another program answers from the
//! same windows by [`hand_out`].

mod answers;
pub mod ask;
pub mod chance;
mod characters;
pub mod decode;
pub mod documents;
mod error;
pub mod hand_out;
pub mod independent;
pub mod metrics;
pub mod predict;
pub mod predictions;

pub use answers::Answers;
pub use decode::{DecodeSettings, Decoder, NbestAnswer};
pub use error::QaError;
pub use metrics::{Evaluation, Gold, QuestionScore, Rules, Scores};
pub use predictions::{NbestPredictions, Predictions};
