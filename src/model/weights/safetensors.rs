//! The safetensors format: a JSON header of names, types, shapes and byte ranges, then the bytes.
//!
//! <https://github.com/huggingface/safetensors#format>. The header is read here and not by the
//! `safetensors` crate because a wrong file must be an error that names the tensor, and because
//! the crate's sums can overflow on hostile ranges. The tests hold the two against each other.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use tch::{Device, TchError, Tensor};

use super::collection::Weights;
use super::entry::Entry;
use super::error::WeightsError;
use super::kind;
use super::mapped::{MappedFile, Storage};
use crate::durable;

/// The longest header that the format allows, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;
const METADATA: &str = "__metadata__";
/// Elements that are copied at once while writing.
const CHUNK: i64 = 1 << 20;

/// Reads the header of `file`; the tensors stay where they are.
pub(super) fn read(file: &Arc<MappedFile>) -> Result<Weights, WeightsError> {
    let length_field = file.range(0, 8, || "the header's length".to_owned())?;
    let mut length = [0; 8];
    length.copy_from_slice(&file.bytes()[length_field]);
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        let expected = format!("at most {LONGEST_HEADER} bytes");
        return Err(file.malformed("safetensors header", expected, format!("{length} bytes")));
    }
    let header = file.range(8, length, || "the header".to_owned())?;
    let start = header.end as u64;
    let header: Header = serde_json::from_slice(&file.bytes()[header])
        .map_err(|error| file.malformed("safetensors header", "a JSON object of tensors", error))?;

    let mut tensors = header.0;
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut weights = Weights::empty(file.path());
    let mut expected_begin = 0;
    for (name, tensor) in tensors {
        let (begin, end) = tensor.data_offsets;
        if begin != expected_begin || end < begin {
            let expected = format!("bytes that begin at {expected_begin}, where the ones before end");
            return Err(file.malformed(format!("tensor {name:?}"), expected, format!("{begin}..{end}")));
        }
        expected_begin = end;
        weights.insert(&name, entry(file, &name, &tensor, start)?)?;
    }
    if start + expected_begin != file.length() {
        let (expected, found) = (start + expected_begin, file.length());
        return Err(file.malformed("length", format!("{expected} bytes"), format!("{found} bytes")));
    }
    Ok(weights)
}

fn entry(file: &Arc<MappedFile>, name: &str, tensor: &TensorInfo, start: u64) -> Result<Entry, WeightsError> {
    let what = || format!("tensor {name:?}");
    let element = kind::from_safetensors(&tensor.dtype).ok_or_else(|| {
        file.malformed(what(), format!("one of {}", kind::safetensors_names()), &tensor.dtype)
    })?;
    let (begin, end) = tensor.data_offsets;
    let range = file.range(start.saturating_add(begin), end - begin, what)?;
    let bytes = tensor
        .shape
        .iter()
        .try_fold(element.elt_size_in_bytes() as u64, |bytes, &length| bytes.checked_mul(length));
    if bytes != Some(end - begin) {
        let expected = format!("{} bytes for {:?} {}", end - begin, tensor.shape, tensor.dtype);
        let found = bytes.map_or("an overflow".to_owned(), |bytes| bytes.to_string());
        return Err(file.malformed(what(), expected, found));
    }
    let shape: Result<_, _> = tensor.shape.iter().map(|&length| i64::try_from(length)).collect();
    let shape = shape.map_err(|error| file.malformed(what(), "lengths below 2^63", error))?;
    Entry::contiguous(name, Arc::new(Storage::new(Arc::clone(file), range)), element, shape)
}

#[derive(serde::Deserialize)]
struct TensorInfo {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The tensors in the order of the header. The metadata, text for people, is checked and dropped.
struct Header(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        map.next_value::<BTreeMap<String, String>>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Header(tensors))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Writes `tensors` and `metadata` to `path`, whole or not at all.
///
/// The same tensors give the same bytes whatever their order: they are laid out by the alignment
/// of their type, then by name, as safetensors' own writer does. Tensors may live on any device
/// and have any strides; they are copied a few megabytes at a time. transformers expects the
/// metadata to say `format = "pt"`.
pub fn write_safetensors<'t>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'t str, &'t Tensor)>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let unwritable = |name: &str, reason: String| WeightsError::Unwritable {
        path: path.to_owned(),
        name: name.to_owned(),
        reason,
    };
    let mut ordered = Vec::new();
    for (name, tensor) in tensors {
        if name == METADATA {
            return Err(unwritable(name, "the format keeps this name for itself".to_owned()));
        }
        let element = tensor.f_kind().map_err(|error| unwritable(name, error.to_string()))?;
        let Some((place, dtype)) = kind::to_safetensors(element) else {
            let names = kind::safetensors_names();
            return Err(unwritable(name, format!("expected one of {names}, found {element:?}")));
        };
        ordered.push((place, name, dtype, tensor));
    }
    ordered.sort_by_key(|&(place, name, ..)| (place, name));

    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA.to_owned(), json!(metadata));
    }
    let mut end = 0;
    for &(_, name, dtype, tensor) in &ordered {
        let begin = end;
        end += tensor.numel() * tensor.kind().elt_size_in_bytes();
        let info = json!({ "dtype": dtype, "shape": tensor.size(), "data_offsets": [begin, end] });
        if header.insert(name.to_owned(), info).is_some() {
            return Err(WeightsError::Duplicate { path: path.to_owned(), name: name.to_owned() });
        }
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' '); // so that the tensors begin aligned
    durable::write_with(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        ordered.iter().try_for_each(|&(_, _, _, tensor)| write_elements(out, tensor))
    })?;
    Ok(())
}

fn write_elements(out: &mut impl Write, tensor: &Tensor) -> std::io::Result<()> {
    let broken = |error: TchError| std::io::Error::other(error);
    let (element, count) = (tensor.kind(), tensor.numel() as i64);
    let flat = tensor.detach().f_reshape([-1]).map_err(broken)?; // [count]
    let mut buffer = Vec::new();
    let mut start = 0;
    while start < count {
        let length = CHUNK.min(count - start);
        let chunk =
            flat.f_narrow(0, start, length).and_then(|chunk| chunk.f_to(Device::Cpu)).map_err(broken)?;
        buffer.resize(length as usize * element.elt_size_in_bytes(), 0);
        chunk.f_copy_data_u8(&mut buffer, length as usize).map_err(broken)?;
        out.write_all(&buffer)?;
        start += length;
    }
    Ok(())
}
