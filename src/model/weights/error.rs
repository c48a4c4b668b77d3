//! What can be wrong with a file of weights: each variant names the file, what was expected and
//! what was found.

use std::io;
use std::path::PathBuf;

use crate::durable::WriteError;

/// Weights could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The system could not open or map the file.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A model folder holds none of the files that weights are kept in.
    #[error("{}: no weights: expected one of {expected}", folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// The file names that were looked for.
        expected: String,
    },
    /// A part of the file reaches beyond its end.
    #[error("{}: cut short: {what} needs bytes up to {expected}, the file has {found}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part.
        what: String,
        /// Where the part ends, in bytes from the file's start.
        expected: u64,
        /// The file's length in bytes.
        found: u64,
    },
    /// The file breaks its own format's rules.
    #[error("{}: {what}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The part that is wrong.
        what: String,
        /// What the format asks for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The stored digest of a part disagrees with its bytes.
    #[error("{}: {what} is damaged: expected CRC-32 {expected:08x}, found {found:08x}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part.
        what: String,
        /// The checksum that the file gives.
        expected: u32,
        /// The checksum of the bytes.
        found: u32,
    },
    /// The pickle asks for something that a state dict of tensors does not need. Nothing of it was
    /// executed.
    #[error("{}: {source}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: PickleError,
    },
    /// A value beside the tensors.
    #[error("{}: {key:?}: expected a tensor, found {found}", path.display())]
    NotATensor {
        /// The file.
        path: PathBuf,
        /// The value's key in the state dict.
        key: String,
        /// What the value is.
        found: String,
    },
    /// A tensor name that the file or files do not have.
    #[error("{}: no tensor named {name:?}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// The name asked for.
        name: String,
    },
    /// One name for two tensors, perhaps after renaming legacy names.
    #[error("{}: two tensors named {name:?}", path.display())]
    Duplicate {
        /// The file or folder.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// libtorch refused to build a tensor.
    #[error("{}: tensor {name:?}: {source}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What libtorch said.
        source: tch::TchError,
    },
    /// A tensor that safetensors cannot hold.
    #[error("{}: tensor {name:?} cannot be written: {reason}", path.display())]
    Unwritable {
        /// The file that was to be written.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What about it.
        reason: String,
    },
    /// The file could not be put in place.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Where a pickle stops being a state dict of tensors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pickle at byte {offset}: {problem}")]
pub struct PickleError {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// What is there.
    pub problem: PickleProblem,
}

/// What a pickle asks for that is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleProblem {
    /// An opcode outside the few that tensors and containers need.
    #[error("opcode {name} (0x{code:02x}) is not allowed here, nothing was executed")]
    Opcode {
        /// The opcode's name in Python's `pickletools`.
        name: &'static str,
        /// The byte.
        code: u8,
    },
    /// A class or function outside the few that tensors and containers need.
    #[error("global {module}.{name} is not allowed here, nothing was executed")]
    Global {
        /// The Python module.
        module: String,
        /// The name in it.
        name: String,
    },
    /// An element type that longqa has no use for.
    #[error("element type {0} is not supported")]
    ElementType(String),
    /// The stream ends inside an opcode.
    #[error("cut short: expected {expected} more bytes, found {found}")]
    CutShort {
        /// Bytes that the opcode needs.
        expected: u64,
        /// Bytes that are left.
        found: u64,
    },
    /// An opcode or function was given something else than it takes.
    #[error("{what}: expected {expected}, found {found}")]
    Unexpected {
        /// The opcode or function.
        what: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: String,
    },
    /// More opcodes than any state dict has.
    #[error("more than {0} opcodes")]
    TooLong(u64),
}
