//! A byte-level BPE tokenizer trained from text, in RoBERTa's form.
//!
//! Given text files and a vocabulary size; writes a `tokenizer.json` that [`super::Tokenizer`] and
//! transformers' `RobertaTokenizerFast` open. The special tokens stand where RoBERTa has them: `<s>`,
//! `<pad>`, `</s>`, `<unk>` first, `<mask>` last. The same texts give the same bytes on any machine
//! with any number of threads.

use std::fs;
use std::path::{Path, PathBuf};

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, NormalizerWrapper, TokenizerBuilder};

use super::TextError;
use crate::corpus::CorpusError;
use crate::corpus::wikitext::RawText;
use crate::durable;

/// The special tokens that come first, in the order of their numbers.
const FIRST: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
/// The special token that comes last.
const MASK: &str = "<mask>";
/// The tokens that every such vocabulary has: the special ones and the 256 bytes.
const SMALLEST: usize = FIRST.len() + 256 + 1;
/// A pair of tokens is merged if it occurs this often; the usual value.
const MIN_FREQUENCY: u64 = 2;

/// Trains on `sources`, read in order line by line, and writes `tokenizer.json` into `folder`.
///
/// The vocabulary has `vocabulary_size` tokens, special ones included, or fewer if the texts have no
/// more pairs to merge; the size it came to is given back.
///
/// # Errors
/// [`TextError::Setting`] if the size leaves no room for the 256 bytes and the special tokens;
/// [`TextError::Corpus`] for a text that cannot be read; [`TextError::Tokenizer`] if training fails;
/// [`TextError::Write`].
pub fn train(sources: &[PathBuf], vocabulary_size: usize, folder: &Path) -> Result<usize, TextError> {
    if vocabulary_size < SMALLEST {
        return Err(TextError::Setting {
            key: "vocabulary_size",
            expected: format!("at least {SMALLEST}"),
            found: vocabulary_size.to_string(),
        });
    }
    let target = folder.join("tokenizer.json");
    let failed = |error: tokenizers::Error| TextError::Tokenizer {
        path: target.clone(),
        expected: "a trained tokenizer",
        found: error.to_string(),
    };
    let mut tokenizer = TokenizerBuilder::<BPE, NormalizerWrapper, _, _, _>::new()
        .with_model(BPE::default())
        .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
        .with_post_processor(Some(post_processor()))
        .with_decoder(Some(ByteLevel::new(true, true, true)))
        .build()
        .map_err(failed)?;
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(vocabulary_size - 1)
        .min_frequency(MIN_FREQUENCY)
        .special_tokens(FIRST.iter().map(|token| AddedToken::from(*token, true)).collect())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut lines = Lines { sources: sources.iter(), open: None, failure: None };
    let outcome = tokenizer.train(&mut trainer, &mut lines).map(drop);
    if let Some(failure) = lines.failure {
        return Err(failure.into());
    }
    outcome.map_err(failed)?;
    // Added after training, so that its number is the last. As in RoBERTa, it takes the space before it.
    tokenizer.add_special_tokens(&[AddedToken::from(MASK, true).lstrip(true)]);
    let json = tokenizer.to_string(true).map_err(failed)?;
    durable::write(&target, json.as_bytes())?;
    Ok(tokenizer.get_vocab_size(true))
}

fn post_processor() -> RobertaProcessing {
    RobertaProcessing::new(("</s>".to_owned(), 2), ("<s>".to_owned(), 0))
        .trim_offsets(true)
        .add_prefix_space(false)
}

/// The lines of several files, one after the other. It ends at the first failure and keeps it, because
/// the trainer takes texts and no errors.
struct Lines<'a> {
    sources: std::slice::Iter<'a, PathBuf>,
    open: Option<RawText<std::io::BufReader<fs::File>>>,
    failure: Option<CorpusError>,
}

impl Lines<'_> {
    fn line(&mut self) -> Result<Option<String>, CorpusError> {
        loop {
            if let Some(text) = &mut self.open {
                let mut line = String::new();
                if text.next_line(&mut line)? > 0 {
                    return Ok(Some(line));
                }
            }
            match self.sources.next() {
                Some(path) => self.open = Some(RawText::open(path)?),
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.failure.is_some() {
            return None;
        }
        self.line().unwrap_or_else(|failure| {
            self.failure = Some(failure);
            None
        })
    }
}
