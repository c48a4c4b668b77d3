//! The files of a tokenizer: which ones a folder holds, kept as they were read, so that what is
//! saved beside a trained model is what the model was trained with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::error::TextError;
use crate::digest::{Digest, Hasher};
use crate::durable;

const CONFIG: &str = "tokenizer_config.json";
/// Files that do not decide how this crate encodes, but that `transformers` may look at.
const COMPANIONS: [&str; 5] =
    [CONFIG, "special_tokens_map.json", "added_tokens.json", "sentencepiece.bpe.model", "vocab.txt"];

struct TokenizerFile {
    name: String,
    bytes: Vec<u8>,
}

/// A tokenizer's files in memory.
pub(super) struct TokenizerFiles {
    /// The file to name in errors.
    pub path: PathBuf,
    /// The whole tokenizer in the layout of `tokenizer.json`.
    pub json: Vec<u8>,
    /// What decides the encoding: `tokenizer.json`, or `vocab.json` and `merges.txt`.
    deciding: Vec<TokenizerFile>,
    companions: Vec<TokenizerFile>,
}

impl TokenizerFiles {
    /// Reads `tokenizer.json`, or else `vocab.json` and `merges.txt`, and what lies beside them.
    pub fn of_folder(folder: &Path) -> Result<Self, TextError> {
        let path = folder.join("tokenizer.json");
        if path.is_file() {
            return Self::of_file(&path);
        }
        let (vocabulary, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
        if !vocabulary.is_file() || !merges.is_file() {
            return Err(TextError::NoTokenizer { folder: folder.to_owned() });
        }
        let deciding = vec![named("vocab.json", read(&vocabulary)?), named("merges.txt", read(&merges)?)];
        let json = roberta_json(&vocabulary, &deciding[0].bytes, &merges, &deciding[1].bytes)?;
        Ok(Self { path: vocabulary, json, deciding, companions: companions(folder)? })
    }

    /// Reads a file in the layout of `tokenizer.json`, whatever its name, and what lies beside it.
    pub fn of_file(path: &Path) -> Result<Self, TextError> {
        let json = read(path)?;
        let deciding = vec![named("tokenizer.json", json.clone())];
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(Self { path: path.to_owned(), json, deciding, companions: companions(folder)? })
    }

    /// The digest of the files that decide the encoding.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        for file in &self.deciding {
            hasher.field(file.name.as_bytes()).field(&file.bytes);
        }
        hasher.digest()
    }

    /// Writes all files to `folder`, with `model_max_length` in `tokenizer_config.json`, and
    /// `tokenizer_class` where it was left out.
    pub fn save(&self, folder: &Path, class: &str, model_max_length: usize) -> Result<(), TextError> {
        let mut config = Map::new();
        for file in self.deciding.iter().chain(&self.companions) {
            if file.name == CONFIG {
                config = self.parse_config(&file.bytes)?;
            } else {
                durable::write(&folder.join(&file.name), &file.bytes)?;
            }
        }
        config.insert("model_max_length".to_owned(), json!(model_max_length));
        config.entry("tokenizer_class").or_insert_with(|| json!(class));
        let mut text = format!("{:#}", Value::Object(config));
        text.push('\n');
        Ok(durable::write(&folder.join(CONFIG), text.as_bytes())?)
    }

    fn parse_config(&self, bytes: &[u8]) -> Result<Map<String, Value>, TextError> {
        serde_json::from_slice(bytes).map_err(|error| TextError::Tokenizer {
            path: self.path.with_file_name(CONFIG),
            expected: "a JSON object",
            found: error.to_string(),
        })
    }
}

fn named(name: &str, bytes: Vec<u8>) -> TokenizerFile {
    TokenizerFile { name: name.to_owned(), bytes }
}

fn read(path: &Path) -> Result<Vec<u8>, TextError> {
    fs::read(path).map_err(|source| TextError::Read { path: path.to_owned(), source })
}

fn companions(folder: &Path) -> Result<Vec<TokenizerFile>, TextError> {
    let mut found = Vec::new();
    for name in COMPANIONS {
        match fs::read(folder.join(name)) {
            Ok(bytes) => found.push(named(name, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(TextError::Read { path: folder.join(name), source }),
        }
    }
    Ok(found)
}

/// RoBERTa's tokenizer as `transformers` builds it from `vocab.json` and `merges.txt`: byte-level
/// BPE without a prefix space, five special tokens, `<mask>` taking the space before it along.
fn roberta_json(
    vocabulary_path: &Path,
    vocabulary: &[u8],
    merges_path: &Path,
    merges: &[u8],
) -> Result<Vec<u8>, TextError> {
    let vocabulary: Map<String, Value> =
        serde_json::from_slice(vocabulary).map_err(|error| TextError::Tokenizer {
            path: vocabulary_path.to_owned(),
            expected: "a JSON object from tokens to numbers",
            found: error.to_string(),
        })?;
    let merges = std::str::from_utf8(merges).map_err(|error| TextError::Tokenizer {
        path: merges_path.to_owned(),
        expected: "one merge a line in UTF-8",
        found: error.to_string(),
    })?;
    let merges: Vec<&str> =
        merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let id = |token: &'static str| {
        vocabulary
            .get(token)
            .cloned()
            .ok_or_else(|| TextError::MissingSpecialToken { path: vocabulary_path.to_owned(), token })
    };
    let added = |token: &'static str| -> Result<Value, TextError> {
        Ok(json!({"id": id(token)?, "content": token, "special": true, "normalized": true,
            "single_word": false, "lstrip": token == "<mask>", "rstrip": false}))
    };
    let tokenizer = json!({
        "version": "1.0",
        "added_tokens": [added("<s>")?, added("<pad>")?, added("</s>")?, added("<unk>")?, added("<mask>")?],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", id("</s>")?],
            "cls": ["<s>", id("<s>")?], "trim_offsets": true, "add_prefix_space": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true},
        "model": {"type": "BPE", "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "vocab": vocabulary, "merges": merges},
    });
    Ok(tokenizer.to_string().into_bytes())
}
