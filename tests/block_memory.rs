//! Tokenizing a corpus takes the memory of some pieces of it, not of the whole. A program of its
//! own, because the peak is that of the process.

#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;

use longqa::interrupt::Interrupt;
use longqa::text::{Tokenizer, blocks};

/// The most memory this process has held so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A byte-level tokenizer that knows every byte and no merge.
fn tokenizer() -> Tokenizer {
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

#[test]
fn a_corpus_is_never_held_whole() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("corpus");
    let mut text = String::new();
    for line in 0..200_000 {
        writeln!(text, " Paragraph {line} of a text that goes on .").unwrap();
    }
    fs::write(&source, &text).unwrap();
    let bytes = text.len() as u64;
    drop(text);
    let tokenizer = tokenizer();
    // Few threads, so that the pieces in work are few on every machine.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let before = peak();
    let target = folder.path().join("blocks");
    let blocks =
        pool.install(|| blocks::build(&source, &tokenizer, 4096, &target, &Interrupt::default())).unwrap();
    let grown = peak().saturating_sub(before);
    println!("{bytes} bytes of text, {} blocks, {grown} bytes of memory", blocks.len());
    assert!(blocks.len() > 1000);
    // As one string, the tokens and their bookkeeping take some 150 times the text.
    assert!(grown < 8 * bytes, "{grown} bytes of memory for {bytes} bytes of text");
}
