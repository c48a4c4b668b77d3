//! Checkpoints in every format that longqa reads, made by torch and safetensors themselves
//! (`tests/golden/weights.py`): good ones give the right values, bad ones a typed error.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longqa::model::weights::{self, PickleProblem, Weights, WeightsError};
use proptest::prelude::*;
use serde_json::Value;
use tch::{Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/weights").join(name)
}

fn expected() -> serde_json::Map<String, Value> {
    serde_json::from_slice(&fs::read(golden("expected.json")).unwrap()).unwrap()
}

fn kind(dtype: &str) -> Kind {
    match dtype {
        "float32" => Kind::Float,
        "float64" => Kind::Double,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "int64" => Kind::Int64,
        "int32" => Kind::Int,
        "uint8" => Kind::Uint8,
        "bool" => Kind::Bool,
        other => panic!("{other}"),
    }
}

fn assert_equals_golden(weights: &Weights, name: &str) {
    let expected = &expected()[name];
    let shape: Vec<i64> = serde_json::from_value(expected["shape"].clone()).unwrap();
    let kind = kind(expected["dtype"].as_str().unwrap());
    let tensor = weights.tensor(name).unwrap();
    assert_eq!(weights.shape(name).unwrap(), shape, "{name}");
    assert_eq!(weights.kind(name).unwrap(), kind, "{name}");
    assert_eq!((tensor.size(), tensor.kind(), tensor.is_contiguous()), (shape, kind, true), "{name}");
    let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    assert_eq!(hex::encode(bytes), expected["little_endian_bytes"], "{name}");
}

fn assert_all_golden(weights: &Weights) {
    let mut names: Vec<String> = expected().keys().cloned().collect();
    names.sort();
    assert_eq!(weights.names().collect::<Vec<_>>(), names);
    names.iter().for_each(|name| assert_equals_golden(weights, name));
}

fn error(path: &Path) -> WeightsError {
    let weights = match weights::read(path) {
        Err(error) => return error,
        Ok(weights) => weights,
    };
    let outcome = weights.names().find_map(|name| weights.tensor(name).err());
    outcome.unwrap_or_else(|| panic!("{} was read", path.display()))
}

#[test]
fn every_format_gives_the_tensors_that_were_saved() {
    for name in [
        "tensors.zip.bin",
        "tensors.legacy.bin",
        "single",
        "single/model.safetensors",
        "sharded",
        "sharded/model.safetensors.index.json",
        "sharded_bin",
    ] {
        assert_all_golden(&weights::read(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error}")));
    }
}

#[test]
fn other_pickle_versions_give_the_same() {
    for (file, names) in [
        ("version3.zip.bin", &["float32", "int64", "shared.row"][..]),
        ("protocol4.zip.bin", &["bool", "float32"]),
    ] {
        let weights = weights::read(&golden(file)).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), names);
        names.iter().for_each(|name| assert_equals_golden(&weights, name));
    }
}

#[test]
fn the_state_dict_of_a_module_is_read_past_its_metadata() {
    for file in ["module_state.zip.bin", "module_state.legacy.bin"] {
        let weights = weights::read(&golden(file)).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["0.bias", "0.weight", "1.bias", "1.weight"]);
        assert_eq!(weights.tensor("1.weight").unwrap(), Tensor::ones([3], (Kind::Float, tch::Device::Cpu)));
    }
}

#[test]
fn a_name_that_is_not_there_is_named() {
    let weights = weights::read(&golden("single")).unwrap();
    assert!(weights.contains("float32") && !weights.contains("float33"));
    for error in [weights.tensor("float33").unwrap_err(), weights.shape("float33").unwrap_err()] {
        assert!(matches!(error, WeightsError::Missing { name, .. } if name == "float33"));
    }
}

#[test]
fn calls_hidden_in_a_pickle_are_named_and_not_made() {
    let both = &["zip", "legacy"][..];
    for (file, formats, module, name) in [
        ("os_system", both, "posix", "system"),
        ("eval", both, "__builtin__", "eval"),
        ("counter", both, "collections", "Counter"),
        ("getattr", both, "__builtin__", "getattr"),
        ("module", &["zip"], "torch.nn.modules.linear", "Linear"),
    ] {
        for format in formats {
            let path = golden(&format!("refused/{file}.{format}.bin"));
            let WeightsError::Pickle { source, .. } = error(&path) else { panic!("{file}") };
            let expected = PickleProblem::Global { module: module.to_owned(), name: name.to_owned() };
            assert_eq!(source.problem, expected);
            // The error says where the file spells the global.
            let spelled = format!("c{module}\n{name}\n");
            let bytes = fs::read(&path).unwrap();
            assert!(bytes[source.offset as usize..].starts_with(spelled.as_bytes()), "{file}");
        }
    }
    assert!(!Path::new("executed").exists());
}

#[test]
fn an_opcode_beyond_tensors_and_containers_is_named() {
    let WeightsError::Pickle { source, .. } = error(&golden("refused/inst.legacy.bin")) else { panic!() };
    assert_eq!(source.problem, PickleProblem::Opcode { name: "STRING", code: b'S' });
}

#[test]
fn what_is_not_a_flat_dict_of_little_endian_tensors_is_refused_by_name() {
    for (file, words) in [
        ("nested.zip.bin", &["\"state_dict\"", "a dict of 1"][..]),
        ("int_beside.zip.bin", &["\"epoch\"", "the int 3"]),
        ("list.zip.bin", &["a dict of tensors", "a list of 1"]),
        ("complex.zip.bin", &["torch.ComplexFloatStorage"]),
        ("expanded.zip.bin", &["\"weight\"", "inside the storage's 1 elements", "[1000000000000]"]),
        ("big_endian.zip.bin", &["byte order", "big"]),
        ("big_endian.legacy.bin", &["little_endian", "the bool false"]),
    ] {
        let message = error(&golden("refused").join(file)).to_string();
        for word in words.iter().chain([&file]) {
            assert!(message.contains(word), "{word} not in: {message}");
        }
    }
}

#[test]
fn a_folder_without_weights_says_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let message = error(folder.path()).to_string();
    assert!(message.contains("model.safetensors") && message.contains("pytorch_model.bin"), "{message}");
    let missing = error(&folder.path().join("none.bin"));
    assert!(matches!(missing, WeightsError::Read { .. }), "{missing}");
}

#[test]
fn empty_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("empty.bin", &b""[..]),
        ("model.safetensors", b""),
        ("pointer.bin", b"version https://git-lfs.github.com/spec/v1\n"),
        ("page.safetensors", b"<!DOCTYPE html><html>"),
        ("index.json", b"{}"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = error(&path);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn an_index_may_name_neither_files_elsewhere_nor_tensors_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    fs::copy(golden("single/model.safetensors"), folder.path().join("all.safetensors")).unwrap();
    for (map, word) in [
        (r#"{"a": "../all.safetensors"}"#, "../all.safetensors"),
        (r#"{"a": "/all.safetensors"}"#, "/all.safetensors"),
        (r#"{"a": "all.safetensors"}"#, "\"a\""),
        (r#"{"bool": "all.safetensors"}"#, "a line in the index"),
        (r#"{"bool": "none.safetensors"}"#, "none.safetensors"),
    ] {
        fs::write(&index, format!(r#"{{"weight_map": {map}}}"#)).unwrap();
        let message = error(folder.path()).to_string();
        assert!(message.contains(word), "{word} not in: {message}");
    }
}

#[test]
fn a_legacy_name_beside_its_new_one_is_a_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensor = Tensor::from(1.0_f32);
    let both = [("LayerNorm.gamma", &tensor), ("LayerNorm.weight", &tensor)];
    weights::write_safetensors(&path, both, &BTreeMap::new()).unwrap();
    assert!(matches!(error(&path), WeightsError::Duplicate { name, .. } if name == "LayerNorm.weight"));
}

/// Safetensors' bytes for a header and data.
fn safetensors_bytes(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn a_safetensors_header_that_lies_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let huge = u64::MAX / 2;
    for (header, word) in [
        (r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.to_owned(), "cut short"),
        (r#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}"#.to_owned(), "found 12"),
        (r#"{"w":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}"#.to_owned(), "begin at 0"),
        (r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#.to_owned(), "4..0"),
        (r#"{"w":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#.to_owned(), "F99"),
        (r#"{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#.to_owned(), "header"),
        (r#"{"w":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}"#.to_owned(), "0 and 1"),
        (r#"{"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#.to_owned(), "length"),
        (r#"{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}"#.to_owned(), "two tensors"),
        (format!(r#"{{"w":{{"dtype":"U8","shape":[{huge}],"data_offsets":[0,{huge}]}}}}"#), "cut short"),
        (format!(r#"{{"w":{{"dtype":"F32","shape":[{huge},{huge}],"data_offsets":[0,4]}}}}"#), "overflow"),
        (r#"{"__metadata__":{"a":1}}"#.to_owned(), "header"),
        ("[]".to_owned(), "header"),
    ] {
        fs::write(&path, safetensors_bytes(&header, &[9, 9, 9, 9])).unwrap();
        let message = error(&path).to_string();
        assert!(message.contains(word), "{word} not in: {message}");
    }
    fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(error(&path).to_string().contains("at most 100000000 bytes"));
}

#[test]
fn a_flipped_bit_in_a_zip_files_tensor_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let mut bytes = fs::read(golden("tensors.zip.bin")).unwrap();
    let value = 2.5_f32.to_le_bytes(); // the tensor named scalar
    let at = bytes.windows(4).position(|window| window == value).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let weights = weights::read(folder.path()).unwrap();
    let error = weights.tensor("scalar").unwrap_err();
    assert!(matches!(error, WeightsError::Damaged { .. }), "{error}");
    assert_equals_golden(&weights, "float32");
}

#[test]
fn what_is_written_is_what_safetensors_itself_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let weights = weights::read(&golden("tensors.legacy.bin")).unwrap();
    let mut named: Vec<_> = weights.names().map(|name| (name, weights.tensor(name).unwrap())).collect();
    named.reverse();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let tensors = named.iter().map(|(name, tensor)| (*name, tensor));
    weights::write_safetensors(&path, tensors, &metadata).unwrap();
    assert_all_golden(&weights::read(&path).unwrap());

    let ours = fs::read(&path).unwrap();
    let theirs = safetensors::SafeTensors::deserialize(&ours).unwrap();
    assert_eq!(theirs.len(), named.len());
    let (_, header) = safetensors::SafeTensors::read_metadata(&ours).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
    let again = safetensors::serialize(theirs.tensors(), header.metadata().clone()).unwrap();
    assert!(ours == again, "the layout differs from the safetensors crate's");
}

#[test]
fn strided_and_large_tensors_are_written_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let large = Tensor::arange(3_000_000, (Kind::Int, tch::Device::Cpu)).reshape([1000, 3000]);
    let transposed = large.tr();
    weights::write_safetensors(&path, [("a", &large), ("b", &transposed)], &BTreeMap::new()).unwrap();
    let weights = weights::read(&path).unwrap();
    assert_eq!(weights.tensor("a").unwrap(), large);
    assert_eq!(weights.tensor("b").unwrap(), transposed.contiguous());
}

#[test]
fn what_safetensors_cannot_hold_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let complex = Tensor::zeros([1], (Kind::ComplexFloat, tch::Device::Cpu));
    let real = Tensor::zeros([1], (Kind::Float, tch::Device::Cpu));
    for (tensors, word) in [
        (vec![("a", &complex)], "ComplexFloat"),
        (vec![("__metadata__", &real)], "keeps this name"),
        (vec![("a", &real), ("a", &real)], "two tensors"),
    ] {
        let error = weights::write_safetensors(&path, tensors, &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Reads everything in `bytes` as the file `name`; what comes out is never larger than what went in.
fn survives(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let Ok(weights) = weights::read(&path) else { return };
    for name in weights.names() {
        if let Ok(tensor) = weights.tensor(name) {
            assert!(tensor.numel() * tensor.kind().elt_size_in_bytes() <= bytes.len());
        }
    }
}

#[test]
fn a_file_cut_short_anywhere_is_an_error() {
    for name in ["module_state.zip.bin", "module_state.legacy.bin", "single/model.safetensors"] {
        let bytes = fs::read(golden(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Path::new(name).file_name().unwrap());
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(weights::read(&path).is_err(), "{name} cut at {length}");
        }
    }
}

#[test]
fn any_one_changed_byte_gives_an_error_or_tensors_but_no_panic() {
    for name in ["module_state.zip.bin", "module_state.legacy.bin", "single/model.safetensors"] {
        let bytes = fs::read(golden(name)).unwrap();
        let file = Path::new(name).file_name().unwrap().to_str().unwrap();
        for at in 0..bytes.len() {
            for byte in [0x00, 0x7f, 0xff, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                survives(file, &changed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_valid_file_panics(
        which in 0_usize..4,
        edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 1..6),
    ) {
        let names = ["tensors.zip.bin", "tensors.legacy.bin", "protocol4.zip.bin", "single/model.safetensors"];
        let name = names[which];
        let mut bytes = fs::read(golden(name)).unwrap();
        for (place, edit) in edits {
            let at = place.index(bytes.len() + 1);
            edit.apply(&mut bytes, at);
        }
        survives(Path::new(name).file_name().unwrap().to_str().unwrap(), &bytes);
    }
}

/// One change to a file.
#[derive(Debug, Clone)]
enum Edit {
    Replace(Vec<u8>),
    Insert(Vec<u8>),
    Remove(usize),
    Copy(usize),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>, at: usize) {
        let to = |length: usize| at..(at + length).min(bytes.len());
        match self {
            Self::Replace(new) => drop(bytes.splice(to(new.len()), new.iter().copied())),
            Self::Insert(new) => drop(bytes.splice(at..at, new.iter().copied())),
            Self::Remove(length) => drop(bytes.drain(to(*length))),
            Self::Copy(length) => {
                let copied = bytes[to(*length)].to_vec();
                bytes.splice(at..at, copied);
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let extremes = prop::sample::select(vec![
        vec![0x00],
        vec![0xff],
        vec![0x7f, 0xff, 0xff, 0xff],
        vec![0xff; 8],
        vec![0xff, 0xff, 0xff, 0xff],
        vec![0x80, 0x04],
        vec![b'('],
        vec![b'.'],
        vec![b'R'],
        vec![b'Q'],
        vec![b't'],
        vec![b'h', 0],
        vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ]);
    let new = prop_oneof![extremes, prop::collection::vec(any::<u8>(), 1..9)];
    prop_oneof![
        new.clone().prop_map(Edit::Replace),
        new.prop_map(Edit::Insert),
        (1_usize..64).prop_map(Edit::Remove),
        (1_usize..64).prop_map(Edit::Copy),
    ]
}
