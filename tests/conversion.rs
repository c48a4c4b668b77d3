//! `longqa convert` against the Longformer recipe carried out on transformers' own models
//! (`tests/golden/model_parity.py`).

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use longqa::digest::Digest;
use longqa::model::{MaskedLm, Mode};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

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

/// The golden BERT with a tokenizer of as many tokens, with or without its head.
fn short_bert(folder: &Path, head: Head) -> PathBuf {
    let target = folder.join("short");
    fs::create_dir(&target).unwrap();
    fs::copy(golden("bert/config.json"), target.join("config.json")).unwrap();
    let mut tensors = Tensor::read_safetensors(golden("bert/model.safetensors")).unwrap();
    tensors.retain(|(name, _)| head == Head::Kept || !name.starts_with("cls."));
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name, tensor)).collect();
    Tensor::write_safetensors(&tensors, target.join("model.safetensors")).unwrap();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let tokens = special.into_iter().chain(('A'..).map(String::from)).take(60);
    let vocabulary: BTreeMap<String, usize> = tokens.zip(0..).collect();
    let tokenizer = json!({
        "version": "1.0",
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": false},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    });
    fs::write(target.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    target
}

#[derive(PartialEq)]
enum Head {
    Kept,
    Dropped,
}

const FLAGS: [&str; 4] = ["--max-position", "120", "--attention-window", "20"];

/// The model in `to` has the names, the shapes and the values of the golden conversion `name`.
fn assert_converted(name: &str, to: &Path) {
    let theirs: BTreeMap<String, Vec<i64>> =
        serde_json::from_str(&fs::read_to_string(golden(&format!("{name}.json"))).unwrap()).unwrap();
    let ours: BTreeMap<String, Vec<i64>> = Tensor::read_safetensors(to.join("model.safetensors"))
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.size()))
        .collect();
    assert_eq!(theirs, ours);

    let golden = golden(&format!("{name}.safetensors"));
    let expected: BTreeMap<String, Tensor> = Tensor::read_safetensors(golden).unwrap().into_iter().collect();
    let [ids, real, global] = ["input_ids", "attention_mask", "global_attention"].map(|name| &expected[name]);
    let model = MaskedLm::load(to, Device::Cpu).unwrap();
    let types = expected.get("token_type_ids");
    let batch = support::model::batch(model.config().positions(), ids, real, global, types);
    let assert_close = |ours: Tensor, theirs: &Tensor| {
        let difference = (ours - theirs).abs().max().double_value(&[]);
        assert!(difference <= 1e-5 * theirs.abs().max().double_value(&[]), "{difference}");
    };
    let of_padding = real.logical_not().unsqueeze(2);
    let hidden = model.hidden(&batch, Mode::Evaluate).unwrap();
    assert_close(hidden, &expected["hidden"].masked_fill(&of_padding, 0.0));
    if let Some(logits) = expected.get("logits") {
        let all = Tensor::arange(batch.tokens(), (Kind::Int64, Device::Cpu));
        assert_close(model.logits(&batch, &all, Mode::Evaluate).unwrap(), logits);
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_converted_model_is_what_the_recipe_makes_of_it() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (short_model(root.path()), root.path().join("long"));
    let output = convert(&from, &to, &FLAGS);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), to.to_str().unwrap());
    assert_converted("converted", &to);
}

#[test]
fn a_converted_bert_is_what_the_recipe_makes_of_it_and_keeps_its_ends() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (short_bert(root.path(), Head::Kept), root.path().join("long"));
    let output = convert(&from, &to, &FLAGS);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("a Longformer's masked-language-model head has gelu"), "{stderr}");
    assert_converted("converted-bert", &to);
    let config = read_json(&to.join("config.json"));
    assert_eq!(config["model_type"], "longformer");
    assert_eq!([&config["pad_token_id"], &config["type_vocab_size"]], [0, 2]);
    assert_eq!(["bos_token_id", "eos_token_id", "sep_token_id"].map(|key| &config[key]), [2, 3, 3]);
    assert_eq!(config["max_position_embeddings"], 121);
    assert_eq!(config["classifier_dropout"], 0.2);
    assert_eq!(read_json(&to.join("tokenizer_config.json"))["tokenizer_class"], "BertTokenizer");
}

#[test]
fn an_encoder_without_a_head_is_converted_with_a_fresh_one_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (short_bert(root.path(), Head::Dropped), root.path().join("long"));
    let output = convert(&from, &to, &FLAGS);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no masked-language-model head; drawn from seed 0"), "{stderr}");
    let again = root.path().join("again");
    convert(&from, &again, &FLAGS);
    let weights = |folder: &Path| Digest::of_file(&folder.join("model.safetensors")).unwrap();
    assert_eq!(weights(&to), weights(&again));
}

#[test]
fn a_converted_models_configuration_is_a_true_longformers() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (short_model(root.path()), root.path().join("long"));
    convert(&from, &to, &FLAGS);
    let config = read_json(&to.join("config.json"));
    assert_eq!(config["model_type"], "longformer");
    assert_eq!(config["architectures"], json!(["LongformerForMaskedLM"]));
    assert_eq!(config["attention_window"], json!([20, 20]));
    assert_eq!(config["max_position_embeddings"], 122);
    assert_eq!(config["sep_token_id"], 2);
    assert_eq!(read_json(&to.join("tokenizer_config.json"))["model_max_length"], 120);
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
