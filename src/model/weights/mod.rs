//! Weights on disk: names with tensors, in the formats that Hugging Face checkpoints come in.
//!
//! [`read`] opens a model folder or a file: safetensors, one file or sharded; PyTorch's `.bin`, in
//! its zip format and the one before torch 1.6. Files are mapped, nothing in them is executed, and
//! whatever is wrong with them is a [`WeightsError`]. [`write_safetensors`] is the one way out.

mod collection;
mod entry;
mod error;
mod folder;
mod globals;
mod kind;
mod mapped;
mod opcodes;
mod pickle;
mod safetensors;
mod state_dict;
mod torch_legacy;
mod torch_zip;
mod zip_members;

pub use collection::Weights;
pub use error::{PickleError, PickleProblem, WeightsError};
pub use folder::read;
pub use safetensors::write_safetensors;
