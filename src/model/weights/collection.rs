//! [`Weights`]: names and where their tensors lie, over one file or several.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::entry::Entry;
use super::error::WeightsError;

/// The tensors of a model folder or file, by name. The files are mapped into memory; a tensor's
/// bytes are copied when it is asked for. Legacy names (`LayerNorm.gamma`, `LayerNorm.beta`) are
/// known by their new ones, as in transformers.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl Weights {
    pub(super) fn empty(path: &Path) -> Self {
        Self { path: path.to_owned(), entries: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, name: &str, entry: Entry) -> Result<(), WeightsError> {
        let name = current_name(name);
        if self.entries.contains_key(&name) {
            return Err(WeightsError::Duplicate { path: self.path.clone(), name });
        }
        self.entries.insert(name, entry);
        Ok(())
    }

    /// Takes over all of `shard`'s tensors.
    pub(super) fn absorb(&mut self, shard: Self) -> Result<(), WeightsError> {
        shard.entries.into_iter().try_for_each(|(name, entry)| self.insert(&name, entry))
    }

    /// The folder or file that the weights come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no tensor at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is a tensor named `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The tensor's dimensions.
    pub fn shape(&self, name: &str) -> Result<&[i64], WeightsError> {
        Ok(self.entry(name)?.shape())
    }

    /// The tensor's element type as stored.
    pub fn kind(&self, name: &str) -> Result<Kind, WeightsError> {
        Ok(self.entry(name)?.kind())
    }

    /// A copy of the tensor on the CPU, contiguous, of the kind it is stored in.
    ///
    /// Fails when there is no such tensor, or when the file carries a checksum of its bytes (torch
    /// zip files do) that disagrees with them.
    pub fn tensor(&self, name: &str) -> Result<Tensor, WeightsError> {
        self.entry(name)?.tensor(name)
    }

    fn entry(&self, name: &str) -> Result<&Entry, WeightsError> {
        self.entries
            .get(name)
            .ok_or_else(|| WeightsError::Missing { path: self.path.clone(), name: name.to_owned() })
    }
}

/// The name that transformers gives a parameter today. BERT's first TensorFlow checkpoints called
/// LayerNorm's weight and bias gamma and beta.
pub(super) fn current_name(name: &str) -> String {
    name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_layer_norm_names_become_todays() {
        let renamed = current_name("encoder.layer.0.output.LayerNorm.gamma");
        assert_eq!(renamed, "encoder.layer.0.output.LayerNorm.weight");
        assert_eq!(current_name("embeddings.LayerNorm.beta"), "embeddings.LayerNorm.bias");
        assert_eq!(current_name("layer_scale.gamma"), "layer_scale.gamma");
    }
}
