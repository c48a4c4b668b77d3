//! `longqa convert` against the Longformer recipe carried out on transformers' own models
//! (`tests/golden/model_parity.py`).

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use longqa::digest::Digest;
use longqa::model::{MaskedLm, Mode};
use tch::{Device, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/model_parity").join(name)
}

/// The golden RoBERTa with a tokenizer of as many tokens.
fn short_model(folder: &Path) -> PathBuf {
    let target = folder.join("short");
    fs::create_dir(&target).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(golden("roberta").join(name), target.join(name)).unwrap();
    }
    let special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(str::to_owned);
    let tokens = special.into_iter().chain(('A'..).map(String::from)).take(60);
    let vocabulary: BTreeMap<String, usize> = tokens.zip(0..).collect();
    fs::write(target.join("vocab.json"), serde_json::to_string(&vocabulary).unwrap()).unwrap();
    fs::write(target.join("merges.txt"), "#version: 0.2\n").unwrap();
    target
}

fn convert(from: &Path, to: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longqa"))
        .arg("convert")
        .arg("--from")
        .arg(from)
        .arg("--to")
        .arg(to)
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn a_converted_model_is_what_the_recipe_makes_of_it() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (short_model(root.path()), root.path().join("long"));
    let output = convert(&from, &to, &["--max-position", "120", "--attention-window", "20"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), to.to_str().unwrap());

    let theirs: BTreeMap<String, Vec<i64>> =
        serde_json::from_str(&fs::read_to_string(golden("converted.json")).unwrap()).unwrap();
    let ours: BTreeMap<String, Vec<i64>> = Tensor::read_safetensors(to.join("model.safetensors"))
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.size()))
        .collect();
    assert_eq!(theirs, ours);

    let expected: BTreeMap<String, Tensor> =
        Tensor::read_safetensors(golden("converted.safetensors")).unwrap().into_iter().collect();
    let [ids, real, global] = ["input_ids", "attention_mask", "global_attention"].map(|name| &expected[name]);
    let model = MaskedLm::load(&to, Device::Cpu).unwrap();
    let batch = support::model::batch(model.config().positions(), ids, real, global, None);
    let hidden = model.hidden(&batch, Mode::Evaluate).unwrap();
    let of_padding = real.logical_not().unsqueeze(2);
    let expected = expected["hidden"].masked_fill(&of_padding, 0.0);
    let difference = (&hidden - &expected).abs().max().double_value(&[]);
    assert!(difference <= 1e-5 * expected.abs().max().double_value(&[]), "{difference}");
}

#[test]
fn a_converted_models_configuration_is_a_true_longformers() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (short_model(root.path()), root.path().join("long"));
    convert(&from, &to, &["--max-position", "120", "--attention-window", "20"]);
    let config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(to.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["model_type"], "longformer");
    assert_eq!(config["architectures"], serde_json::json!(["LongformerForMaskedLM"]));
    assert_eq!(config["attention_window"], serde_json::json!([20, 20]));
    assert_eq!(config["max_position_embeddings"], 122);
    assert_eq!(config["sep_token_id"], 2);
    let tokenizer: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(to.join("tokenizer_config.json")).unwrap()).unwrap();
    assert_eq!(tokenizer["model_max_length"], 120);
}

/// A mirror with the model in `from` under the name that the lock beside it gives it.
fn published(root: &Path, from: &Path) -> (PathBuf, PathBuf) {
    let (mirror, lock) = (root.join("mirror"), root.join("test.lock"));
    let folder = mirror.join("checkpoints/small");
    fs::create_dir_all(&folder).unwrap();
    let mut text = String::from(
        "version = 1\n[[folder]]\nname = \"small\"\nversion = \"1\"\nlicence = \"MIT\"\n\
         path = \"checkpoints/small\"\nurls = [\"http://127.0.0.1:9/small/\"]\n",
    );
    for name in ["config.json", "model.safetensors", "vocab.json", "merges.txt"] {
        let bytes = fs::read(from.join(name)).unwrap();
        fs::write(folder.join(name), &bytes).unwrap();
        let (length, digest) = (bytes.len(), Digest::of_bytes(&bytes));
        text.push_str(&format!(
            "[[folder.file]]\npath = \"{name}\"\nbytes = {length}\nsha256 = \"{digest}\"\n"
        ));
    }
    fs::write(&lock, text).unwrap();
    (mirror, lock)
}

#[test]
fn a_name_in_the_lock_stands_for_the_fetched_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let (mirror, lock) = published(root.path(), &short_model(root.path()));
    let cache = root.path().join("cache");
    let by_name = |name: &str, to: &Path, mirror: &Path| {
        let mut flags = vec!["--max-position", "120", "--attention-window", "20", "--offline"];
        flags.extend(["--lock", lock.to_str().unwrap(), "--cache", cache.to_str().unwrap()]);
        flags.extend(["--mirror", mirror.to_str().unwrap()]);
        convert(Path::new(name), to, &flags)
    };
    let long = root.path().join("long");
    let output = by_name("small", &long, &mirror);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(MaskedLm::load(&long, Device::Cpu).is_ok());

    // A mirror that holds nothing: LONGQA_MIRROR, which may be set around this test, is not asked.
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let again = root.path().join("again");
    assert!(by_name("small", &again, &empty).status.success(), "the cache has it");

    let output = by_name("smal", &root.path().join("none"), &empty);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("smal: neither a folder nor a checkpoint"), "{stderr}");
    assert!(stderr.contains("did you mean small"), "{stderr}");
}

#[test]
fn what_cannot_be_converted_is_named_and_nothing_is_written() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (short_model(root.path()), root.path().join("long"));
    let cases: [(&Path, &[&str], &str); 4] = [
        (&from, &["--max-position", "50"], "max_position: expected more than the model's own 50, found 50"),
        (&from, &["--attention-window", "33"], "attention_window: expected an even number from 2, found 33"),
        (
            &golden("longformer"),
            &[],
            "model_type: expected one of bert, roberta, xlm-roberta, found a longformer of 130",
        ),
        (&root.path().join("nowhere"), &[], "nowhere"),
    ];
    for (from, flags, message) in cases {
        let output = convert(from, &to, flags);
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(message), "{stderr}");
        assert!(!to.exists());
    }
    assert_eq!(convert(&from, &to, &["--max-position", "long"]).status.code(), Some(2));
}
