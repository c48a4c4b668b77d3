//! A subword tokenizer: RoBERTa's byte-level BPE, XLM-R's unigrams, or another in the layout of
//! Hugging Face's `tokenizer.json`.
//!
//! Given text, it gives back token numbers, and where each token stands in the text, in
//! characters. Special tokens are never added here; blocks and windows put them where they belong.
//! A literal `<s>` or `<mask>` in a text becomes the special token, as in `transformers`.

use std::path::{Path, PathBuf};

use tokenizers::models::ModelWrapper;
use tokenizers::{Encoding, PreTokenizerWrapper};

use super::error::TextError;
use super::files::TokenizerFiles;
use super::offsets;
use super::token::{CharSpan, TokenId};
use crate::digest::Digest;

/// The tokens with a meaning of their own, as RoBERTa, XLM-R and Longformer spell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `<s>`, the first token of every sequence.
    pub bos: TokenId,
    /// `</s>`, the end of every part.
    pub eos: TokenId,
    /// `<pad>`, which fills a batch and is never attended.
    pub pad: TokenId,
    /// `<mask>`, which hides a token.
    pub mask: TokenId,
    /// `<unk>`, which stands for what the vocabulary lacks.
    pub unk: TokenId,
}

impl SpecialTokens {
    /// All of them.
    pub fn all(&self) -> [TokenId; 5] {
        [self.bos, self.eos, self.pad, self.mask, self.unk]
    }

    /// Whether `id` is one of them.
    pub fn contains(&self, id: TokenId) -> bool {
        self.all().contains(&id)
    }
}

/// A tokenizer, loaded and checked.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    files: TokenizerFiles,
    special: SpecialTokens,
    vocabulary_size: usize,
}

impl Tokenizer {
    /// Loads `tokenizer.json` of `folder`, or else `vocab.json` and `merges.txt` as RoBERTa's.
    pub fn from_folder(folder: &Path) -> Result<Self, TextError> {
        Self::from_files(TokenizerFiles::of_folder(folder)?)
    }

    /// Loads a file in the layout of `tokenizer.json`, whatever its name.
    pub fn from_file(path: &Path) -> Result<Self, TextError> {
        Self::from_files(TokenizerFiles::of_file(path)?)
    }

    fn from_files(files: TokenizerFiles) -> Result<Self, TextError> {
        let path = &files.path;
        let malformed = |error: tokenizers::Error| TextError::Tokenizer {
            path: path.clone(),
            expected: "a tokenizer in the layout of tokenizer.json",
            found: error.to_string(),
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(&files.json).map_err(malformed)?;
        // Lengths are the business of blocks and windows, and one text has one encoding.
        inner.with_truncation(None).map_err(malformed)?;
        inner.with_padding(None);
        if let ModelWrapper::BPE(model) = inner.get_model()
            && model.dropout.is_some()
        {
            let mut model = model.clone();
            model.dropout = None;
            inner.with_model(model);
        }
        let id = |token: &'static str| {
            let found = inner.token_to_id(token).map(TokenId);
            found.ok_or_else(|| TextError::MissingSpecialToken { path: path.clone(), token })
        };
        let special = SpecialTokens {
            bos: id("<s>")?,
            eos: id("</s>")?,
            pad: id("<pad>")?,
            mask: id("<mask>")?,
            unk: id("<unk>")?,
        };
        let vocabulary_size = inner.get_vocab(true).into_values().max().map_or(0, |last| last as usize + 1);
        Ok(Self { inner, files, special, vocabulary_size })
    }

    /// The tokens with a meaning of their own.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// One more than the largest token number: the rows an embedding needs.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// An error unless the model whose config is at `model` has `expected` tokens, as this
    /// tokenizer does.
    pub fn check_vocabulary_size(&self, expected: usize, model: &Path) -> Result<(), TextError> {
        if self.vocabulary_size == expected {
            return Ok(());
        }
        Err(TextError::VocabularySize {
            tokenizer: self.files.path.clone(),
            model: model.to_owned(),
            expected,
            found: self.vocabulary_size,
        })
    }

    /// The file this tokenizer was read from.
    pub fn path(&self) -> &PathBuf {
        &self.files.path
    }

    /// The digest of the files that decide the encoding.
    pub fn digest(&self) -> Digest {
        self.files.digest()
    }

    /// Writes the tokenizer's files to `folder`, as they were read, but for `model_max_length` (in
    /// tokens, special ones included) in `tokenizer_config.json`.
    pub fn save_to(&self, folder: &Path, model_max_length: usize) -> Result<(), TextError> {
        // A Longformer made of XLM-R would otherwise be opened with Longformer's own tokenizer.
        let class = match self.inner.get_model() {
            ModelWrapper::Unigram(_) => "XLMRobertaTokenizer",
            _ => "RobertaTokenizer",
        };
        self.files.save(folder, class, model_max_length)
    }

    /// The tokens of `text`, each with the characters it stands for.
    ///
    /// A token's span leaves out the whitespace around it; it is empty for a token of nothing but
    /// whitespace. Two tokens that share a character, as bytes of it or as parts of its
    /// decomposition, both span it.
    pub fn encode(&self, text: &str) -> Result<Vec<(TokenId, CharSpan)>, TextError> {
        let normalizer = self.inner.get_normalizer();
        let (vanishing, rest) = offsets::split_vanishing_start(text, normalizer);
        let encoding =
            self.inner.encode_char_offsets(rest, false).map_err(|error| self.refusal(text, error))?;
        let mut spans: Vec<CharSpan> = encoding
            .get_offsets()
            .iter()
            .map(|&(start, end)| CharSpan { start: start + vanishing, end: end + vanishing })
            .collect();
        offsets::take_in_absorbed(text, normalizer, &mut spans);
        Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).zip(spans).collect())
    }

    /// The tokens of `text` alone; faster than [`Tokenizer::encode`].
    pub fn encode_ids(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|error| self.refusal(text, error))?;
        Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
    }

    /// The tokens of `text`, each with the number of its word: the piece of text that the model
    /// saw by itself.
    pub(super) fn encode_words(&self, text: &str) -> Result<Vec<(TokenId, Option<u32>)>, TextError> {
        let encoding: Encoding = self.inner.encode(text, false).map_err(|error| self.refusal(text, error))?;
        let ids = encoding.get_ids().iter().map(|&id| TokenId(id));
        Ok(ids.zip(encoding.get_word_ids().iter().copied()).collect())
    }

    /// Whether the tokenizer never looks across a line feed for reasons that two neighbouring
    /// lines would not show: it has a step that splits text into words, and no added token that
    /// goes over lines.
    pub(super) fn splits_into_words(&self) -> bool {
        let added = self.inner.get_added_tokens_decoder();
        let one_line = added.values().all(|token| !token.content.contains('\n'));
        let splits = match self.inner.get_pre_tokenizer() {
            None => false,
            Some(PreTokenizerWrapper::Sequence(steps)) => !steps.as_ref().is_empty(),
            Some(_) => true,
        };
        one_line && splits
    }

    fn refusal(&self, text: &str, error: tokenizers::Error) -> TextError {
        TextError::Encode {
            path: self.files.path.clone(),
            text: text.chars().take(60).collect(),
            found: error.to_string(),
        }
    }
}
