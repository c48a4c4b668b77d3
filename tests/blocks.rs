//! Blocks of a real corpus with real tokenizers, against the file tokenized as one string.

mod support;

use std::fs;
use std::path::Path;

use longqa::interrupt::Interrupt;
use longqa::text::{TokenId, Tokenizer, blocks};

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
