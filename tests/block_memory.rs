//! Tokenizing a corpus takes the memory of some pieces of it, not of the whole. A program of its
//! own, because the peak is that of the process.

#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;

use longqa::interrupt::Interrupt;
use longqa::text::blocks;

mod support;
use support::memory::{peak, tokenizer};

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
