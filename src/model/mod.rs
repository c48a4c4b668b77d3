//! The network: config, attention, encoder, heads, weights in and out.
//!
//! BERT, RoBERTa and XLM-R are one network under different names and conventions, which [`families`]
//! lists; a Longformer differs from it in its attention alone.
//! [`MaskedLm`] and [`QuestionAnswering`] are the encoder with a head; both are given a [`Batch`].
//! Names and layout of weights and of `config.json` are those of Hugging Face transformers.

mod arguments;
pub mod attention;
mod batch;
pub mod config;
mod config_keys;
pub mod convert;
mod embeddings;
mod encoder;
mod error;
pub mod families;
pub mod flops;
mod folder;
mod layers;
mod mlm;
mod parameters;
mod positions;
mod qa;
mod question_input;
mod recomputation;
#[cfg(test)]
mod testing;
pub(crate) mod vocabulary_loss;
pub mod weights;

pub use arguments::{Argument, IGNORED_LABEL};
pub(crate) use batch::upload;
pub use batch::{Batch, MaskedPositions, Row, Sequence};
pub use config::{Architecture, Config};
pub use error::ModelError;
pub use folder::WEIGHTS_FILE;
pub use layers::{Mode, Precision};
pub use mlm::MaskedLm;
pub use parameters::{Parameters, copy_tensor};
pub use positions::Positions;
pub use qa::{Head, QuestionAnswering, SpanLogits};
pub use question_input::{Attention, QuestionInput};
pub use recomputation::{Activations, Tape};
