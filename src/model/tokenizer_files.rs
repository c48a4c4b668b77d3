//! The tokenizer's files, carried from one model folder to another as they are. Only the length
//! that `tokenizer_config.json` allows is changed.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::ModelError;
use crate::durable;

const FILES: [&str; 6] = [
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "added_tokens.json",
];
const CONFIG_FILE: &str = "tokenizer_config.json";

/// Copies what there is in `from` to `to`; `tokenizer_config.json` is written even if there was
/// none, with `model_max_length = max_length`, in tokens.
pub(super) fn copy(from: &Path, to: &Path, max_length: i64) -> Result<(), ModelError> {
    for name in FILES {
        let path = from.join(name);
        if path.is_file() {
            let bytes = fs::read(&path).map_err(|source| ModelError::Read { path, source })?;
            durable::write(&to.join(name), &bytes)?;
        }
    }
    let path = from.join(CONFIG_FILE);
    let mut settings: Map<String, Value> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| ModelError::Json { path, message: error.to_string() })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
        Err(source) => return Err(ModelError::Read { path, source }),
    };
    settings.insert("model_max_length".into(), max_length.into());
    let text = format!("{:#}\n", Value::Object(settings));
    Ok(durable::write(&to.join(CONFIG_FILE), text.as_bytes())?)
}
