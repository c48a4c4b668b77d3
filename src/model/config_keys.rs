//! The keys of a `config.json`, taken out one by one, each with a message of its own when it holds
//! what this program cannot use.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::ModelError;
use super::config::{ACTIVATIONS, Activation, MOST_LAYERS};
use super::families::{ALL, Family, LONGFORMER};

/// The keys not yet read.
pub(super) struct Keys {
    pub(super) map: Map<String, Value>,
    pub(super) path: PathBuf,
}

impl Keys {
    fn wrong<T>(&self, key: &str, expected: &str, found: &Value) -> Result<T, ModelError> {
        Err(ModelError::Config {
            path: self.path.clone(),
            key: key.to_owned(),
            expected: expected.to_owned(),
            found: found.to_string(),
        })
    }

    /// The key's value, taken out; `null` counts as absent, as it does in Python.
    fn take(&mut self, key: &str) -> Option<Value> {
        // `remove` would swap the last key into its place and change the order of the others.
        self.map.shift_remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn integer(&mut self, key: &str, default: Option<i64>) -> Result<i64, ModelError> {
        match self.integer_or_none(key, default)? {
            Some(value) => Ok(value),
            None => self.wrong(key, "an integer", &json!("nothing")),
        }
    }

    pub(super) fn integer_or_none(
        &mut self,
        key: &str,
        default: Option<i64>,
    ) -> Result<Option<i64>, ModelError> {
        match self.take(key) {
            Some(value) => match value.as_i64() {
                Some(value) => Ok(Some(value)),
                None => self.wrong(key, "an integer", &value),
            },
            None => Ok(default),
        }
    }

    pub(super) fn number(&mut self, key: &str, default: f64) -> Result<f64, ModelError> {
        match self.take(key) {
            Some(value) => value.as_f64().map_or_else(|| self.wrong(key, "a number", &value), Ok),
            None => Ok(default),
        }
    }

    pub(super) fn activation(&mut self) -> Result<Activation, ModelError> {
        let found = self.take("hidden_act").unwrap_or_else(|| json!("gelu"));
        match ACTIVATIONS.iter().find(|(name, _)| found == *name) {
            Some((_, activation)) => Ok(*activation),
            None => self.wrong("hidden_act", "gelu, gelu_new or relu", &found),
        }
    }

    pub(super) fn family(&mut self) -> Result<&'static Family, ModelError> {
        let found = self.take("model_type").unwrap_or_else(|| json!("nothing"));
        let _architectures = self.take("architectures");
        let Some(named) = ALL.into_iter().find(|family| found == family.model_type) else {
            let known = ALL.map(|family| family.model_type).join(", ");
            return self.wrong("model_type", &format!("one of {known}"), &found);
        };
        // No other family's configuration has a window: whoever wrote one meant a Longformer,
        // whatever the type says.
        let is_long = self.map.get("attention_window").is_some_and(|value| !value.is_null());
        Ok(if is_long { &LONGFORMER } else { named })
    }

    pub(super) fn attention_window(&mut self, layers: i64) -> Result<Vec<i64>, ModelError> {
        const EXPECTED: &str = "an even number, or one per layer";
        let found = self.take("attention_window").unwrap_or_else(|| json!(512));
        match &found {
            Value::Array(windows) => {
                let windows: Option<Vec<i64>> = windows.iter().map(Value::as_i64).collect();
                windows.map_or_else(|| self.wrong("attention_window", EXPECTED, &found), Ok)
            }
            Value::Number(window) => match window.as_i64() {
                Some(window) => Ok(vec![window; layers.clamp(0, MOST_LAYERS) as usize]),
                None => self.wrong("attention_window", EXPECTED, &found),
            },
            _ => self.wrong("attention_window", EXPECTED, &found),
        }
    }

    /// Keys kept as they are, so long as they hold the value that this program's network assumes.
    pub(super) fn refuse_what_would_change_the_network(&self) -> Result<(), ModelError> {
        let assumed = [
            ("position_embedding_type", json!("absolute")),
            ("tie_word_embeddings", json!(true)),
            ("is_decoder", json!(false)),
            ("add_cross_attention", json!(false)),
            ("autoregressive", json!(false)),
            ("ignore_attention_mask", json!(false)),
        ];
        for (key, value) in &assumed {
            match self.map.get(*key) {
                Some(found) if !found.is_null() && found != value => {
                    return self.wrong(key, &value.to_string(), found);
                }
                _ => {}
            }
        }
        match self.map.get("attention_dilation").and_then(Value::as_array) {
            Some(dilation) if dilation.iter().any(|step| step != 1) => {
                self.wrong("attention_dilation", "1 in every layer", &json!(dilation))
            }
            _ => Ok(()),
        }
    }
}
