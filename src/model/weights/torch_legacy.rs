//! What `torch.save` wrote before torch 1.6: five pickles one after the other (a magic number, the
//! protocol's version, facts about the machine, the object, the storages' keys), then the storages
//! in the order of the keys, each as its number of elements (8 bytes) and its bytes.
//!
//! `torch/serialization.py` (`_legacy_save`, `_legacy_load`). No checksums: only sizes are checked.

use std::collections::HashMap;
use std::sync::Arc;

use super::collection::Weights;
use super::error::WeightsError;
use super::globals::StorageRecord;
use super::mapped::{MappedFile, Storage};
use super::pickle::{self, Object, Pickle, Value};
use super::state_dict;

/// 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC_NUMBER: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL_VERSION: i64 = 1001;
/// The pickle opcode PROTO, which every pickle of protocol 2 and later begins with.
pub(super) const SIGNATURE: &[u8] = &[0x80];

/// Reads the pickles; the storages stay where they are.
pub(super) fn read(file: &Arc<MappedFile>) -> Result<Weights, WeightsError> {
    let mut at = 0;
    let magic = next_pickle(file, &mut at)?;
    if magic.root != Value::Long(MAGIC_NUMBER) {
        let found = magic.arena.describe(magic.root);
        return Err(file.malformed("pickle", "torch's magic number", found));
    }
    let version = next_pickle(file, &mut at)?;
    if version.root != Value::Int(PROTOCOL_VERSION) {
        let found = version.arena.describe(version.root);
        return Err(file.malformed("protocol version", PROTOCOL_VERSION, found));
    }
    expect_little_endian(file, &next_pickle(file, &mut at)?)?;
    let object = next_pickle(file, &mut at)?;
    let tensors = state_dict::tensors(file, &object)?;
    let keys = next_pickle(file, &mut at)?;

    let mut records: HashMap<&str, StorageRecord<'_>> = HashMap::new();
    for (_, tensor) in &tensors {
        records.entry(tensor.storage.key).or_insert(tensor.storage);
    }
    let storages = storages(file, &keys, &records, at)?;
    state_dict::weights(file, tensors, |record| {
        let none = || file.malformed("storages", format!("one with the key {:?}", record.key), "none");
        storages.get(record.key).cloned().ok_or_else(none)
    })
}

fn next_pickle<'f>(file: &'f MappedFile, at: &mut usize) -> Result<Pickle<'f>, WeightsError> {
    let rest = file.bytes().get(*at..).unwrap_or_default();
    let pickle = pickle::read(rest, *at as u64)
        .map_err(|source| WeightsError::Pickle { path: file.path().to_owned(), source })?;
    *at += pickle.length;
    Ok(pickle)
}

fn expect_little_endian(file: &MappedFile, facts: &Pickle<'_>) -> Result<(), WeightsError> {
    let value = match facts.arena.object(facts.root) {
        Some(Object::Dict(items)) => items.iter().find(|(key, _)| *key == Value::Text("little_endian")),
        _ => None,
    };
    match value {
        Some((_, Value::Bool(true))) => Ok(()),
        Some(&(_, other)) => Err(file.malformed("little_endian", "true", facts.arena.describe(other))),
        None => Err(file.malformed("facts about the machine", "little_endian", "none")),
    }
}

/// The storages that begin at byte `at`, by key. Their element sizes are known from the tensors
/// that use them.
fn storages<'k>(
    file: &Arc<MappedFile>,
    keys: &Pickle<'k>,
    records: &HashMap<&str, StorageRecord<'_>>,
    at: usize,
) -> Result<HashMap<&'k str, Arc<Storage>>, WeightsError> {
    let Some(Object::List(list)) = keys.arena.object(keys.root) else {
        let found = keys.arena.describe(keys.root);
        return Err(file.malformed("storage keys", "a list", found));
    };
    let mut storages = HashMap::new();
    let mut at = at as u64;
    for &key in list {
        let Value::Text(key) = key else {
            return Err(file.malformed("storage keys", "strings", keys.arena.describe(key)));
        };
        let what = || format!("storage {key:?}");
        let record = records.get(key);
        let record = record.ok_or_else(|| file.malformed(what(), "a tensor that uses it", "none"))?;
        let header = file.range(at, 8, what)?;
        let mut count = [0; 8];
        count.copy_from_slice(&file.bytes()[header.clone()]);
        let count = u64::from_le_bytes(count);
        if count != record.elements {
            let expected = format!("{} elements", record.elements);
            return Err(file.malformed(what(), expected, format!("{count} elements")));
        }
        let length = count.saturating_mul(record.element_size());
        let range = file.range(header.end as u64, length, what)?;
        at = range.end as u64;
        let storage = Arc::new(Storage::new(Arc::clone(file), range));
        if storages.insert(key, storage).is_some() {
            return Err(file.malformed("storage keys", "each once", format!("{key:?} twice")));
        }
    }
    if at != file.length() {
        let found = format!("{} bytes", file.length());
        return Err(file.malformed("length", format!("{at} bytes"), found));
    }
    Ok(storages)
}
