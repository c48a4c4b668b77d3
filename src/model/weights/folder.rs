//! Which files of a model folder hold its weights, and what format each is in.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::collection::{Weights, current_name};
use super::error::WeightsError;
use super::mapped::MappedFile;
use super::{safetensors, torch_legacy, torch_zip};

/// A file name that weights go by, whole or as the index of shards, in order of preference.
const FILES: [(&str, Layout); 4] = [
    ("model.safetensors", Layout::Whole),
    ("model.safetensors.index.json", Layout::Sharded),
    ("pytorch_model.bin", Layout::Whole),
    ("pytorch_model.bin.index.json", Layout::Sharded),
];

#[derive(Clone, Copy)]
enum Layout {
    Whole,
    Sharded,
}

/// Opens the weights at `path`.
///
/// A folder is searched, as transformers does, for `model.safetensors`, its sharded form
/// (`model.safetensors.index.json`), `pytorch_model.bin` and its sharded form. A file is
/// safetensors, an index of shards (`*.json`), or what `torch.save` wrote, in its zip format or the
/// one before torch 1.6. Headers are read and checked, tensors are not.
pub fn read(path: &Path) -> Result<Weights, WeightsError> {
    if !path.is_dir() {
        let sharded = path.extension().is_some_and(|extension| extension == "json");
        return read_file(path, if sharded { Layout::Sharded } else { Layout::Whole });
    }
    for (name, layout) in FILES {
        let file = path.join(name);
        if file.exists() {
            return read_file(&file, layout);
        }
    }
    let expected = FILES.map(|(name, _)| name).join(", ");
    Err(WeightsError::NoWeights { folder: path.to_owned(), expected })
}

fn read_file(path: &Path, layout: Layout) -> Result<Weights, WeightsError> {
    match layout {
        Layout::Whole => read_whole(path),
        Layout::Sharded => read_sharded(path),
    }
}

fn read_whole(path: &Path) -> Result<Weights, WeightsError> {
    let file = MappedFile::open(path)?;
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        return safetensors::read(&file);
    }
    let bytes = file.bytes();
    if bytes.starts_with(torch_zip::SIGNATURE) {
        torch_zip::read(&file)
    } else if bytes.starts_with(torch_legacy::SIGNATURE) {
        torch_legacy::read(&file)
    } else if bytes.get(8) == Some(&b'{') {
        safetensors::read(&file)
    } else {
        let start = bytes.get(..16).unwrap_or(bytes).escape_ascii().to_string();
        Err(file.malformed("format", "safetensors or what torch.save writes", format!("\"{start}\"")))
    }
}

#[derive(serde::Deserialize)]
struct Index {
    /// Which file holds each tensor.
    weight_map: BTreeMap<String, String>,
}

fn read_sharded(path: &Path) -> Result<Weights, WeightsError> {
    let file = MappedFile::open(path)?;
    let index: Index = serde_json::from_slice(file.bytes())
        .map_err(|error| file.malformed("index of shards", "a JSON object with weight_map", error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut shards: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (tensor, shard) in &index.weight_map {
        shards.entry(shard).or_default().push(current_name(tensor));
    }
    let mut weights = Weights::empty(path);
    for (shard, mut listed) in shards {
        let mut parts = Path::new(shard).components();
        let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) else {
            return Err(file.malformed("index of shards", "names of files beside it", format!("{shard:?}")));
        };
        let shard = read_whole(&folder.join(shard))?;
        if let Some(name) = listed.iter().find(|name| !shard.contains(name)) {
            return Err(WeightsError::Missing { path: shard.path().to_owned(), name: name.clone() });
        }
        listed.sort();
        if let Some(name) =
            shard.names().find(|name| listed.binary_search_by(|l| l.as_str().cmp(name)).is_err())
        {
            let what = format!("{}: tensor {name:?}", shard.path().display());
            return Err(file.malformed(what, "a line in the index that says so", "none"));
        }
        weights.absorb(shard)?;
    }
    Ok(weights)
}
