//! A subword tokenizer: RoBERTa's byte-level BPE, XLM-R's unigrams, BERT's word pieces, or another in
//! the layout of Hugging Face's `tokenizer.json`.
//!
//! Given text, it gives back token numbers, and where each token stands in the text, in
//! characters. Special tokens are never added here; blocks and windows put them where they belong.
//! A literal `<s>` or `[MASK]` in a text becomes the special token, as in `transformers`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use tokenizers::models::ModelWrapper;
use tokenizers::{Encoding, PreTokenizerWrapper};

use super::case::{Case, Lowered};
use super::error::TextError;
use super::files::TokenizerFiles;
use super::special::SpecialTokens;
use super::token::{CharSpan, TokenId};
use super::{offsets, old_offsets, seams};
use crate::digest::Digest;

/// A tokenizer, loaded and checked.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    files: TokenizerFiles,
    special: SpecialTokens,
    vocabulary_size: usize,
    has_seams: bool,
    case: Case,
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
        let special = SpecialTokens::find(|token| inner.token_to_id(token), path)?;
        let vocabulary_size = inner.get_vocab(true).into_values().max().map_or(0, |last| last as usize + 1);
        let has_seams = seams::hold_for(&inner);
        Ok(Self { inner, files, special, vocabulary_size, has_seams, case: Case::default() })
    }

    /// The same tokenizer, which changes the case of questions and contexts first. Spans still count the
    /// characters of the text as it was given; the files are not changed.
    pub fn with_case(self, case: Case) -> Self {
        Self { case, ..self }
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
        // A Longformer made of another family would otherwise be opened with Longformer's own tokenizer.
        let class = match self.inner.get_model() {
            ModelWrapper::Unigram(_) => "XLMRobertaTokenizer",
            ModelWrapper::WordPiece(_) => "BertTokenizer",
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
        self.in_case(text, |text| {
            let normalizer = self.inner.get_normalizer();
            let (vanishing, rest) = offsets::split_vanishing_start(text, normalizer);
            let encoding = self.inner.encode_char_offsets(rest, false)?;
            let mut spans: Vec<CharSpan> = spans(&encoding)
                .map(|span| CharSpan { start: span.start + vanishing, end: span.end + vanishing })
                .collect();
            offsets::take_in_absorbed(text, normalizer, &mut spans);
            Ok(ids(&encoding).zip(spans).collect())
        })
    }

    /// The tokens of `text`, each with the characters at which the library of the original work placed
    /// it: see [`super::truncated`]. The tokens are those of [`Tokenizer::encode`].
    pub fn encode_as_in_2020(&self, text: &str) -> Result<Vec<(TokenId, CharSpan)>, TextError> {
        self.in_case(text, |text| {
            let encoding = old_offsets::encode(&self.inner, text)?;
            Ok(ids(&encoding).zip(spans(&encoding)).collect())
        })
    }

    /// The tokens of `text` alone; faster than [`Tokenizer::encode`].
    pub fn encode_ids(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        let text = match self.case {
            Case::Kept => Cow::Borrowed(text),
            Case::Lowered => Cow::Owned(text.to_lowercase()),
        };
        let encoding =
            self.inner.encode_fast(text.as_ref(), false).map_err(|error| self.refusal(&text, error))?;
        Ok(ids(&encoding).collect())
    }

    /// The text of `tokens`, special ones included, as `decode` of transformers 3.4.0 gives it: without
    /// the space before a full stop and the like.
    pub fn decode(&self, tokens: &[TokenId]) -> Result<String, TextError> {
        const SPACED: [(&str, &str); 10] = [
            (" .", "."),
            (" ?", "?"),
            (" !", "!"),
            (" ,", ","),
            (" ' ", "'"),
            (" n't", "n't"),
            (" 'm", "'m"),
            (" 's", "'s"),
            (" 've", "'ve"),
            (" 're", "'re"),
        ];
        let ids: Vec<u32> = tokens.iter().map(|token| token.0).collect();
        let text = self.inner.decode(&ids, false).map_err(|error| TextError::Tokenizer {
            path: self.files.path.clone(),
            expected: "a decoder of its own tokens",
            found: error.to_string(),
        })?;
        Ok(SPACED.iter().fold(text, |text, (spaced, close)| text.replace(spaced, close)))
    }

    /// What `encode` makes of the text in the case that is set, with spans of the text as it is.
    fn in_case(
        &self,
        text: &str,
        encode: impl Fn(&str) -> tokenizers::Result<Vec<(TokenId, CharSpan)>>,
    ) -> Result<Vec<(TokenId, CharSpan)>, TextError> {
        let tokens = match self.case {
            Case::Kept => encode(text),
            Case::Lowered => {
                let lowered = Lowered::of(text);
                let original = |(id, span)| (id, lowered.original(span));
                encode(&lowered.text).map(|tokens| tokens.into_iter().map(original).collect())
            }
        };
        tokens.map_err(|error| self.refusal(text, error))
    }

    /// The tokens of `text`, each with the number of its word: the piece of text that the model
    /// saw by itself.
    pub(super) fn encode_words(&self, text: &str) -> Result<Vec<(TokenId, Option<u32>)>, TextError> {
        let encoding: Encoding = self.inner.encode(text, false).map_err(|error| self.refusal(text, error))?;
        Ok(ids(&encoding).zip(encoding.get_word_ids().iter().copied()).collect())
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

    /// Whether the rule of [`seams`] holds for this tokenizer.
    pub(super) fn has_seams(&self) -> bool {
        self.has_seams
    }

    fn refusal(&self, text: &str, error: tokenizers::Error) -> TextError {
        TextError::Encode {
            path: self.files.path.clone(),
            text: text.chars().take(60).collect(),
            found: error.to_string(),
        }
    }
}

fn ids(encoding: &Encoding) -> impl Iterator<Item = TokenId> {
    encoding.get_ids().iter().map(|&id| TokenId(id))
}

fn spans(encoding: &Encoding) -> impl Iterator<Item = CharSpan> {
    encoding.get_offsets().iter().map(|&(start, end)| CharSpan { start, end })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;
    use crate::text::testing;

    fn of_json(tokenizer: &Value) -> Result<Tokenizer, TextError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
        Tokenizer::from_folder(folder.path())
    }

    /// The files that RoBERTa was first published with, of the test tokenizer.
    fn old_layout(tokenizer: &Value) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let merges: Vec<&str> = tokenizer["model"]["merges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|merge| merge.as_str().unwrap())
            .collect();
        fs::write(folder.path().join("vocab.json"), tokenizer["model"]["vocab"].to_string()).unwrap();
        fs::write(folder.path().join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n")))
            .unwrap();
        folder
    }

    #[test]
    fn special_tokens_are_looked_up_and_the_vocabulary_counted() {
        let tokenizer = testing::byte_level();
        let special = tokenizer.special();
        assert_eq!(special.all().map(|id| id.0), [0, 2, 1, 4, 3]);
        assert!(special.contains(TokenId(4)) && !special.contains(TokenId(5)));
        assert_eq!(tokenizer.vocabulary_size(), 5 + 256 + 3);
        tokenizer.check_vocabulary_size(264, Path::new("config.json")).unwrap();
        let error = tokenizer.check_vocabulary_size(50265, Path::new("config.json")).unwrap_err();
        assert!(
            error.to_string().ends_with("expected a vocabulary of 50265 tokens as in config.json, found 264")
        );
    }

    #[test]
    fn a_tokenizer_without_a_special_token_is_refused() {
        let mut tokenizer = testing::byte_level_json(false, true);
        tokenizer["added_tokens"].as_array_mut().unwrap().remove(4);
        let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        let id = vocabulary.remove("<mask>").unwrap();
        vocabulary.insert("other".into(), id);
        match of_json(&tokenizer).err().unwrap() {
            TextError::MissingSpecialToken { token: "<mask>", .. } => {}
            other => panic!("{other}"),
        }
    }

    #[test]
    fn damaged_and_missing_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = |folder: &Path| Tokenizer::from_folder(folder).err().unwrap();
        assert!(matches!(error(folder.path()), TextError::NoTokenizer { .. }));
        for text in [&b""[..], b"{", b"[]", b"\xff\xfe", b"{\"model\": {}}"] {
            fs::write(folder.path().join("tokenizer.json"), text).unwrap();
            assert!(matches!(error(folder.path()), TextError::Tokenizer { .. }));
        }
        let folder = old_layout(&testing::byte_level_json(false, true));
        fs::write(folder.path().join("merges.txt"), "no such tokens\n").unwrap();
        assert!(matches!(error(folder.path()), TextError::Tokenizer { .. }));
    }

    #[test]
    fn vocabulary_and_merges_give_the_same_tokens_as_one_file() {
        let folder = old_layout(&testing::byte_level_json(false, true));
        let old = Tokenizer::from_folder(folder.path()).unwrap();
        for text in ["a\n\nb \n = नमस्ते 's", "x <mask> y</s>", ""] {
            assert_eq!(old.encode(text).unwrap(), testing::byte_level_once().encode(text).unwrap());
            let ids: Vec<TokenId> = old.encode(text).unwrap().into_iter().map(|(id, _)| id).collect();
            assert_eq!(old.encode_ids(text).unwrap(), ids);
        }
        assert_ne!(old.digest(), testing::byte_level_once().digest());
    }

    #[test]
    fn a_saved_tokenizer_is_the_same_but_for_its_longest_length() {
        let source = old_layout(&testing::byte_level_json(false, true));
        fs::write(source.path().join("tokenizer_config.json"), r#"{"model_max_length": 512, "strip": true}"#)
            .unwrap();
        fs::write(source.path().join("special_tokens_map.json"), "{}").unwrap();
        let tokenizer = Tokenizer::from_folder(source.path()).unwrap();
        let target = tempfile::tempdir().unwrap();
        tokenizer.save_to(target.path(), 4096).unwrap();
        assert_eq!(Tokenizer::from_folder(target.path()).unwrap().digest(), tokenizer.digest());
        let config: Value =
            serde_json::from_slice(&fs::read(target.path().join("tokenizer_config.json")).unwrap()).unwrap();
        assert_eq!(
            config,
            json!({"model_max_length": 4096, "strip": true, "tokenizer_class": "RobertaTokenizer"})
        );
        assert!(target.path().join("special_tokens_map.json").is_file());
    }

    #[test]
    fn truncation_padding_and_dropout_of_the_file_are_switched_off() {
        let mut tokenizer = testing::byte_level_json(false, true);
        tokenizer["truncation"] =
            json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
        tokenizer["padding"] = json!({"strategy": {"Fixed": 50}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 1, "pad_type_id": 0, "pad_token": "<pad>"});
        tokenizer["model"]["dropout"] = json!(1.0);
        let text = " = Oslo = ".repeat(2);
        let plain = testing::byte_level_once();
        assert_eq!(of_json(&tokenizer).unwrap().encode(&text).unwrap(), plain.encode(&text).unwrap());
    }

    #[test]
    fn spans_count_characters_and_leave_out_spaces() {
        let encoded = testing::byte_level_once().encode("é =x").unwrap();
        let spans: Vec<(usize, usize)> = encoded.iter().map(|(_, span)| (span.start, span.end)).collect();
        assert_eq!(spans, [(0, 1), (0, 1), (2, 3), (3, 4)]);
    }

    #[test]
    fn a_composed_letter_takes_its_marks_along() {
        let spans = |text: &str| -> Vec<(usize, usize)> {
            let encoded = testing::words_once().encode(text).unwrap();
            encoded.iter().map(|(_, span)| (span.start, span.end)).collect()
        };
        // e + U+0301, which the vocabulary has as one letter.
        assert_eq!(spans("ae\u{301}b"), [(0, 1), (1, 3), (3, 4)]);
        assert_eq!(spans("be\u{301} b"), [(0, 1), (0, 1), (1, 3), (4, 5), (4, 5)]);
        assert_eq!(spans("be\u{301}"), [(0, 1), (0, 1), (1, 3)]);
    }
}
