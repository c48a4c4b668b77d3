//! What can go wrong between a model folder and a forward pass.

use std::path::PathBuf;

use super::weights::WeightsError;
use crate::durable::WriteError;
use crate::text::TextError;

/// A model could not be read, made, run or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A JSON file is not JSON, or not an object.
    #[error("{}: not a JSON object: {message}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        message: String,
    },
    /// `config.json` lacks a key or holds a value that this program cannot use.
    #[error("{}: {key}: expected {expected}, found {found}", path.display())]
    Config {
        /// The file, or `config` for a configuration made in memory.
        path: PathBuf,
        /// The key.
        key: String,
        /// What the key may hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// A weight file cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The checkpoint lacks tensors that the model needs.
    #[error("{}: missing tensors: {}", path.display(), list(names))]
    MissingTensors {
        /// The checkpoint.
        path: PathBuf,
        /// Their Hugging Face names.
        names: Vec<String>,
    },
    /// The checkpoint holds tensors that the model has no place for.
    #[error("{}: unexpected tensors: {}", path.display(), list(names))]
    UnexpectedTensors {
        /// The checkpoint.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// A tensor's shape disagrees with `config.json`.
    #[error("{}: {name}: expected shape {expected:?}, found {found:?}", path.display())]
    Shape {
        /// The checkpoint.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shape that `config.json` asks for.
        expected: Vec<i64>,
        /// The shape in the file.
        found: Vec<i64>,
    },
    /// A tensor that is a second name of another one holds other values.
    #[error("{}: {name} is tied to {tied_to} but differs from it", path.display())]
    Untied {
        /// The checkpoint.
        path: PathBuf,
        /// The second name.
        name: String,
        /// The tensor it should equal.
        tied_to: String,
    },
    /// The tokenizer beside a model cannot be used, or is another model's.
    #[error(transparent)]
    Tokenizer(#[from] TextError),
    /// A batch does not fit the model.
    #[error("batch: {what}: expected {expected}, found {found}")]
    Batch {
        /// What does not fit.
        what: &'static str,
        /// What the model allows.
        expected: String,
        /// What the batch holds.
        found: String,
    },
    /// A conversion that makes no sense.
    #[error("cannot convert {}: {setting}: expected {expected}, found {found}", path.display())]
    Conversion {
        /// The folder of the model to convert.
        path: PathBuf,
        /// The setting, or the property of the model, that forbids it.
        setting: &'static str,
        /// What would be possible.
        expected: String,
        /// What was asked for.
        found: String,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// The first few names, and how many more there are.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
