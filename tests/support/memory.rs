//! How much memory a test program has held, and a tokenizer that takes much of it.

use std::fs;

use longqa::text::Tokenizer;

/// The most memory this process has held so far, in bytes.
pub fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A byte-level tokenizer that knows every byte and no merge.
pub fn tokenizer() -> Tokenizer {
    let special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(str::to_owned);
    let mut alphabet: Vec<String> =
        tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().map(String::from).collect();
    alphabet.sort_unstable();
    let names = special.into_iter().chain(alphabet);
    let vocabulary: serde_json::Map<_, _> =
        names.enumerate().map(|(id, name)| (name, serde_json::json!(id))).collect();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vocab.json"), serde_json::Value::Object(vocabulary).to_string()).unwrap();
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\n").unwrap();
    Tokenizer::from_folder(folder.path()).unwrap()
}
