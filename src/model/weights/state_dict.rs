//! From an unpickled state dict to [`Weights`]: a flat dict of tensors, each checked against the
//! bytes of its storage. Where the storages lie is the file format's business.

use std::sync::Arc;

use super::collection::Weights;
use super::entry::Entry;
use super::error::WeightsError;
use super::globals::{StorageRecord, TensorRecord};
use super::mapped::{MappedFile, Storage};
use super::pickle::{Object, Pickle, Value};

/// The tensors of a state dict in the order of the file. Module versions under `_metadata` are
/// passed over; any other value that is not a tensor is an error that names its key.
pub(super) fn tensors<'p, 'a>(
    file: &MappedFile,
    pickle: &'p Pickle<'a>,
) -> Result<Vec<(&'a str, &'p TensorRecord<'a>)>, WeightsError> {
    let Some(Object::Dict(items)) = pickle.arena.object(pickle.root) else {
        let found = pickle.arena.describe(pickle.root);
        return Err(file.malformed("pickle", "a dict of tensors", found));
    };
    let mut tensors = Vec::new();
    for &(key, value) in items {
        match (key, pickle.arena.object(value)) {
            (Value::Text(name), Some(Object::Tensor(tensor))) => tensors.push((name, tensor)),
            (Value::Text("_metadata"), _) => {}
            _ => {
                let key = match key {
                    Value::Text(name) => name.to_owned(),
                    other => pickle.arena.describe(other),
                };
                let (path, found) = (file.path().to_owned(), pickle.arena.describe(value));
                return Err(WeightsError::NotATensor { path, key, found });
            }
        }
    }
    Ok(tensors)
}

/// Puts each tensor on the storage that `find` gives for it.
pub(super) fn weights<'a>(
    file: &MappedFile,
    tensors: Vec<(&'a str, &TensorRecord<'a>)>,
    mut find: impl FnMut(&StorageRecord<'a>) -> Result<Arc<Storage>, WeightsError>,
) -> Result<Weights, WeightsError> {
    let mut weights = Weights::empty(file.path());
    for (name, tensor) in tensors {
        let storage = find(&tensor.storage)?;
        let expected = tensor.storage.byte_length();
        if expected != Some(storage.length()) {
            let what = format!("storage {:?} of tensor {name:?}", tensor.storage.key);
            let expected = match expected {
                Some(expected) => format!("{expected} bytes"),
                None => format!("fewer than {} elements", tensor.storage.elements),
            };
            return Err(file.malformed(what, expected, format!("{} bytes", storage.length())));
        }
        let (shape, strides) = (tensor.shape.clone(), tensor.strides.clone());
        let entry = Entry::view(name, storage, tensor.kind, tensor.offset, shape, strides)?;
        weights.insert(name, entry)?;
    }
    Ok(weights)
}
