//! What `torch.save` writes since torch 1.6: a zip file with one pickle (`data.pkl`) and one
//! member per storage (`data/0`, `data/1`, …), all stored as they are and aligned.
//!
//! `torch/serialization.py` (`_save`, `_load`) and `caffe2/serialize/inline_container.cc`.

use std::collections::HashMap;
use std::sync::Arc;

use super::collection::Weights;
use super::error::WeightsError;
use super::mapped::{MappedFile, Storage};
use super::zip_members::{self, Member};
use super::{pickle, state_dict};

/// What every zip file with members begins with.
pub(super) const SIGNATURE: &[u8] = b"PK\x03\x04";

/// Reads the directory and the pickle; the storages stay where they are.
pub(super) fn read(file: &Arc<MappedFile>) -> Result<Weights, WeightsError> {
    let members = zip_members::read(file)?;
    // All members lie in one folder, named after the file when it was saved.
    let data_pkl =
        members.iter().find(|member| member.name.split_once('/').is_some_and(|(_, rest)| rest == "data.pkl"));
    let Some(data_pkl) = data_pkl else {
        let found = format!("{} other members", members.len());
        return Err(file.malformed("torch zip file", "a member data.pkl", found));
    };
    let folder = data_pkl.name.trim_end_matches("data.pkl");
    let mut by_name: HashMap<&str, &Member> = HashMap::new();
    for member in &members {
        if let Some(name) = member.name.strip_prefix(folder)
            && by_name.insert(name, member).is_some()
        {
            return Err(file.malformed("torch zip file", "each member once", format!("{name:?} twice")));
        }
    }
    if let Some(byteorder) = by_name.get("byteorder") {
        let found = stored(file, byteorder).bytes()?.escape_ascii().to_string();
        if found != "little" {
            return Err(file.malformed("byte order", "little", found));
        }
    }
    let storage = stored(file, data_pkl);
    let pickle = pickle::read(storage.bytes()?, data_pkl.range.start as u64)
        .map_err(|source| WeightsError::Pickle { path: file.path().to_owned(), source })?;

    let mut storages: HashMap<&str, Arc<Storage>> = HashMap::new();
    state_dict::weights(file, state_dict::tensors(file, &pickle)?, |record| {
        if let Some(storage) = storages.get(record.key) {
            return Ok(Arc::clone(storage));
        }
        let name = format!("data/{}", record.key);
        let Some(member) = by_name.get(name.as_str()) else {
            return Err(file.malformed("torch zip file", format!("a member {name:?}"), "none"));
        };
        let storage = Arc::new(stored(file, member));
        storages.insert(record.key, Arc::clone(&storage));
        Ok(storage)
    })
}

fn stored(file: &Arc<MappedFile>, member: &Member) -> Storage {
    let storage = Storage::new(Arc::clone(file), member.range.clone());
    storage.with_checksum(format!("member {:?}", member.name), member.crc32)
}
