//! Stand-in until the weights reader is there.
#![allow(missing_docs)]
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::Tensor;

#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct WeightsError {
    path: PathBuf,
    message: String,
}

#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    entries: BTreeMap<String, (Tensor, Vec<i64>)>,
}

pub fn read(path: &Path) -> Result<Weights, WeightsError> {
    let file = if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() };
    let entries = Tensor::read_safetensors(&file)
        .map_err(|error| WeightsError { path: file, message: error.to_string() })?
        .into_iter()
        .map(|(name, tensor)| {
            let shape = tensor.size();
            (name, (tensor, shape))
        })
        .collect();
    Ok(Weights { path: path.to_owned(), entries })
}

impl Weights {
    pub fn path(&self) -> &Path {
        &self.path
    }
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }
    pub fn shape(&self, name: &str) -> Result<&[i64], WeightsError> {
        Ok(&self.entry(name)?.1)
    }
    pub fn tensor(&self, name: &str) -> Result<Tensor, WeightsError> {
        Ok(self.entry(name)?.0.copy())
    }
    fn entry(&self, name: &str) -> Result<&(Tensor, Vec<i64>), WeightsError> {
        self.entries
            .get(name)
            .ok_or_else(|| WeightsError { path: self.path.clone(), message: format!("no tensor {name}") })
    }
}

pub fn write_safetensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    _metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let tensors: Vec<_> = tensors.into_iter().collect();
    Tensor::write_safetensors(&tensors, path)
        .map_err(|error| WeightsError { path: path.to_owned(), message: error.to_string() })
}
