//! Blocks of a real corpus with real tokenizers, against the file tokenized as one string.

mod support;

use std::fs;
use std::path::Path;

use longqa::interrupt::Interrupt;
use longqa::random::{Purpose, Seed};
use longqa::text::{TokenId, Tokenizer, blocks};
use rand::seq::IndexedRandom;

fn agree(tokenizer: &Tokenizer, source: &Path, block_length: usize) {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("blocks");
    let blocks = blocks::build(source, tokenizer, block_length, &target, &Interrupt::default()).unwrap();
    let whole = tokenizer.encode_ids(&fs::read_to_string(source).unwrap()).unwrap();
    let inside = block_length - 2;
    assert_eq!(blocks.text_tokens(), whole.len() as u64);
    assert_eq!(blocks.len(), whole.len() / inside);
    assert!(blocks.len() > 10);
    for (index, expected) in whole.chunks_exact(inside).enumerate() {
        let block = blocks.block(index);
        assert_eq!(block.len(), block_length);
        assert_eq!(&block[1..=inside], expected, "block {index}");
        assert_eq!((block[0], block[block_length - 1]), (TokenId(0), TokenId(2)));
    }
    println!("{}: {} tokens, {} blocks of {block_length}", source.display(), whole.len(), blocks.len());
}

#[test]
fn wikitext_in_pieces_has_the_tokens_of_wikitext_as_one_string_for_roberta() {
    let Some(mirror) = support::mirror() else { return };
    let tokenizer = Tokenizer::from_folder(&mirror.join("tokenizers/roberta-base")).unwrap();
    agree(&tokenizer, &mirror.join("wikitext/wiki.test.raw"), 4096);
    agree(&tokenizer, &mirror.join("wikitext/wiki.test.raw"), 512);
}

#[test]
fn wikitext_in_pieces_has_the_tokens_of_wikitext_as_one_string_for_xlm_r() {
    let Some(mirror) = support::mirror() else { return };
    let file = mirror.join("tokenizers/xlm-roberta-base/tokenizer.reconstructed.json");
    agree(&Tokenizer::from_file(&file).unwrap(), &mirror.join("wikitext/wiki.test.raw"), 4096);
}

/// Whatever a tokenizer may trip over where a text is cut, between words.
const ODD: [&str; 36] = [
    "a",
    "b c",
    "\n",
    "\n\n",
    " \n",
    " ",
    "  ",
    "\t",
    "\r\n",
    "\r",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{2029}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "e\u{301}",
    "\u{301}",
    "\u{1e}",
    "\n\u{1e}",
    "नमस्ते",
    "中国",
    "<s>",
    "<mask>",
    "\n<mask>",
    ", ",
    "'s",
    "1\n2",
    "\n = x = \n",
    "▁",
    "\n▁",
    "\u{1f468}\u{200d}\n",
    "Ġ",
];

fn odd_texts_agree(tokenizer: &Tokenizer) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("text");
    for case in 0..6 {
        let mut random = Seed(7).stream(Purpose::Miniature, &[case]);
        // Some cases with few line feeds and some with many, four pieces' worth of text and more.
        let fragments = &ODD[..ODD.len() - 6 * (case as usize % 3)];
        let text: String = (0..100_000).map(|_| *fragments.choose(&mut random).unwrap()).collect();
        assert!(text.len() > 200_000);
        fs::write(&source, text).unwrap();
        agree(tokenizer, &source, 256);
    }
}

#[test]
fn odd_whitespace_in_pieces_has_the_tokens_of_the_whole_for_roberta() {
    let Some(mirror) = support::mirror() else { return };
    odd_texts_agree(&Tokenizer::from_folder(&mirror.join("tokenizers/roberta-base")).unwrap());
}

#[test]
fn odd_whitespace_in_pieces_has_the_tokens_of_the_whole_for_xlm_r() {
    let Some(mirror) = support::mirror() else { return };
    let file = mirror.join("tokenizers/xlm-roberta-base/tokenizer.reconstructed.json");
    odd_texts_agree(&Tokenizer::from_file(&file).unwrap());
}
