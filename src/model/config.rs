//! `config.json` of Hugging Face: read, checked, written.
//!
//! `model_type` names one of [`families::ALL`](super::families::ALL). The long models published by the
//! original work carry `model_type: "xlm-roberta"` (or `"roberta"`) with an `attention_window` and an
//! architecture that transformers does not know (`LongModelForMaskedLM`); they are read as the
//! Longformers they are, and written as such. Keys that this program does not use are kept.
//! Defaults of absent keys are those of transformers' configuration of the family.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::config_keys::Keys;
use super::families::{Family, LONGFORMER, Numbering, ROBERTA};
use super::{ModelError, Positions};
use crate::durable;

/// The file's name in a model folder.
pub const CONFIG_FILE: &str = "config.json";

/// More layers than any model of this family has; a larger number is an error and not an attempt.
pub(super) const MOST_LAYERS: i64 = 1000;

/// The head on top of the encoder, for `architectures`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `…ForMaskedLM`.
    MaskedLm,
    /// `…ForQuestionAnswering`.
    QuestionAnswering,
}

/// The activation between the two feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `gelu`: x · Φ(x), exactly.
    Gelu,
    /// `gelu_new`: its tanh approximation.
    GeluTanh,
    /// `relu`.
    Relu,
}

/// The values of `hidden_act`.
pub(super) const ACTIVATIONS: [(&str, Activation); 3] =
    [("gelu", Activation::Gelu), ("gelu_new", Activation::GeluTanh), ("relu", Activation::Relu)];

/// An encoder's sizes and settings; the fields are the keys of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The kind of encoder.
    pub family: &'static Family,
    /// Rows of the word embedding.
    pub vocab_size: i64,
    /// The width of a hidden state.
    pub hidden_size: i64,
    /// Encoder layers.
    pub num_hidden_layers: i64,
    /// Heads; they share `hidden_size` equally.
    pub num_attention_heads: i64,
    /// The width inside the feed-forward part.
    pub intermediate_size: i64,
    /// The activation inside the feed-forward part.
    pub hidden_act: Activation,
    /// Dropout on hidden states, in `[0, 1)`.
    pub hidden_dropout_prob: f64,
    /// Dropout on attention probabilities, in `[0, 1)`.
    pub attention_probs_dropout_prob: f64,
    /// Rows of the position embedding: the longest input, and the rows that no token but padding has.
    pub max_position_embeddings: i64,
    /// Rows of the token-type embedding, one for each segment of the input.
    pub type_vocab_size: i64,
    /// Standard deviation of fresh weights.
    pub initializer_range: f64,
    /// ε of every LayerNorm.
    pub layer_norm_eps: f64,
    /// The token that fills batches.
    pub pad_token_id: i64,
    /// The first token of a sequence; BERT's configurations do not say.
    pub bos_token_id: Option<i64>,
    /// The last token of a sequence; BERT's configurations do not say.
    pub eos_token_id: Option<i64>,
    /// For a Longformer, per layer: how many positions a token sees, both sides together (512 = 256
    /// on each side).
    pub attention_window: Option<Vec<i64>>,
    /// Every key that this program does not use, in the file's order.
    pub other: Map<String, Value>,
}

impl Config {
    /// A network of the base size (12 layers, width 768) with roberta-base's vocabulary.
    pub fn base(family: &'static Family) -> Self {
        let num_hidden_layers = 12;
        let is_long = *family == LONGFORMER;
        Self {
            family,
            vocab_size: 50265,
            hidden_size: 768,
            num_hidden_layers,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: if is_long { 4098 } else { 514 },
            type_vocab_size: 1,
            initializer_range: 0.02,
            layer_norm_eps: 1e-5,
            pad_token_id: family.pad_token_id,
            bos_token_id: family.bos_token_id,
            eos_token_id: family.eos_token_id,
            attention_window: is_long.then(|| vec![512; num_hidden_layers as usize]),
            other: Map::new(),
        }
    }

    /// The same network with full attention: a Longformer's through its local projections alone, which is
    /// RoBERTa's; any other as it is.
    pub fn dense(self) -> Self {
        match self.is_long() {
            true => Self { family: &ROBERTA, attention_window: None, ..self },
            false => self,
        }
    }

    /// Whether this is a Longformer.
    pub fn is_long(&self) -> bool {
        *self.family == LONGFORMER
    }

    /// How the model's tokens are numbered for its position embedding.
    pub fn positions(&self) -> Positions {
        match self.family.numbering {
            Numbering::FromZero => Positions::FromZero,
            Numbering::AfterPadding => Positions::After { padding_id: self.pad_token_id },
        }
    }

    /// Fails if inputs of `length` tokens are longer than the model's positions reach.
    pub fn check_length(&self, length: usize) -> Result<(), ModelError> {
        if i64::try_from(length).is_ok_and(|length| length <= self.max_length()) {
            return Ok(());
        }
        Err(ModelError::Batch {
            what: "length",
            expected: format!("at most {} tokens", self.max_length()),
            found: length.to_string(),
        })
    }

    /// Reads and checks `folder/config.json`.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(CONFIG_FILE);
        let bytes = fs::read(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        let map = serde_json::from_slice(&bytes)
            .map_err(|error| ModelError::Json { path: path.clone(), message: error.to_string() })?;
        Self::from_json(map, &path)
    }

    /// Reads a configuration from its JSON object; `path` is for messages only.
    pub fn from_json(map: Map<String, Value>, path: &Path) -> Result<Self, ModelError> {
        let mut keys = Keys { map, path: path.to_owned() };
        keys.refuse_what_would_change_the_network()?;
        let family = keys.family()?;
        let num_hidden_layers = keys.integer("num_hidden_layers", None)?;
        let config = Config {
            family,
            vocab_size: keys.integer("vocab_size", None)?,
            hidden_size: keys.integer("hidden_size", None)?,
            num_hidden_layers,
            num_attention_heads: keys.integer("num_attention_heads", None)?,
            intermediate_size: keys.integer("intermediate_size", None)?,
            hidden_act: keys.activation()?,
            hidden_dropout_prob: keys.number("hidden_dropout_prob", 0.1)?,
            attention_probs_dropout_prob: keys.number("attention_probs_dropout_prob", 0.1)?,
            max_position_embeddings: keys.integer("max_position_embeddings", None)?,
            type_vocab_size: keys.integer("type_vocab_size", Some(2))?,
            initializer_range: keys.number("initializer_range", 0.02)?,
            layer_norm_eps: keys.number("layer_norm_eps", 1e-12)?,
            pad_token_id: keys.integer("pad_token_id", Some(family.pad_token_id))?,
            bos_token_id: keys.integer_or_none("bos_token_id", family.bos_token_id)?,
            eos_token_id: keys.integer_or_none("eos_token_id", family.eos_token_id)?,
            attention_window: match *family == LONGFORMER {
                true => Some(keys.attention_window(num_hidden_layers)?),
                false => None,
            },
            other: keys.map,
        };
        config.check(path)?;
        Ok(config)
    }

    /// The JSON object that [`Config::from_json`] reads, for a model with the given head.
    pub fn to_json(&self, architecture: Architecture) -> Map<String, Value> {
        let activation = ACTIVATIONS.iter().find(|(_, activation)| *activation == self.hidden_act);
        let head = match architecture {
            Architecture::MaskedLm => "ForMaskedLM",
            Architecture::QuestionAnswering => "ForQuestionAnswering",
        };
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
        put("architectures", json!([format!("{}{head}", self.family.class)]));
        put("model_type", json!(self.family.model_type));
        put("attention_probs_dropout_prob", json!(self.attention_probs_dropout_prob));
        if let Some(window) = &self.attention_window {
            put("attention_window", json!(window));
        }
        put("bos_token_id", json!(self.bos_token_id));
        put("eos_token_id", json!(self.eos_token_id));
        put("hidden_act", json!(activation.map_or("gelu", |(name, _)| name)));
        put("hidden_dropout_prob", json!(self.hidden_dropout_prob));
        put("hidden_size", json!(self.hidden_size));
        put("initializer_range", json!(self.initializer_range));
        put("intermediate_size", json!(self.intermediate_size));
        put("layer_norm_eps", json!(self.layer_norm_eps));
        put("max_position_embeddings", json!(self.max_position_embeddings));
        put("num_attention_heads", json!(self.num_attention_heads));
        put("num_hidden_layers", json!(self.num_hidden_layers));
        put("pad_token_id", json!(self.pad_token_id));
        put("type_vocab_size", json!(self.type_vocab_size));
        put("vocab_size", json!(self.vocab_size));
        for (key, value) in &self.other {
            // Weights are written in 32 bits whatever they were read from.
            let written = if matches!(key.as_str(), "torch_dtype" | "dtype") {
                json!("float32")
            } else {
                value.clone()
            };
            map.insert(key.clone(), written);
        }
        map
    }

    /// Writes `folder/config.json`, whole or not at all.
    pub fn write(&self, folder: &Path, architecture: Architecture) -> Result<(), ModelError> {
        let mut text = format!("{:#}", Value::Object(self.to_json(architecture)));
        text.push('\n');
        Ok(durable::write(&folder.join(CONFIG_FILE), text.as_bytes())?)
    }

    /// The width of one head.
    pub fn head_dim(&self) -> i64 {
        self.hidden_size / self.num_attention_heads
    }

    /// The longest input, in tokens: position rows less those before the first token's.
    pub fn max_length(&self) -> i64 {
        self.max_position_embeddings - self.positions().first_row()
    }

    /// The window of layer `index`; none for full attention.
    pub fn window(&self, index: i64) -> Option<i64> {
        let windows = self.attention_window.as_ref()?;
        usize::try_from(index).ok().and_then(|index| windows.get(index)).copied()
    }

    /// Checks what holds between the values; `path` is for messages only.
    pub fn check(&self, path: &Path) -> Result<(), ModelError> {
        let wrong = |key: &str, expected: String, found: String| {
            Err(ModelError::Config { path: path.to_owned(), key: key.to_owned(), expected, found })
        };
        for (key, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            if value < 1 {
                return wrong(key, "a positive integer".into(), value.to_string());
            }
        }
        if self.num_hidden_layers > MOST_LAYERS {
            let expected = format!("at most {MOST_LAYERS}");
            return wrong("num_hidden_layers", expected, self.num_hidden_layers.to_string());
        }
        if self.hidden_size % self.num_attention_heads != 0 {
            let expected = format!("a multiple of num_attention_heads = {}", self.num_attention_heads);
            return wrong("hidden_size", expected, self.hidden_size.to_string());
        }
        for (key, value) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ] {
            if !(0.0..1.0).contains(&value) {
                return wrong(key, "at least 0 and below 1".into(), value.to_string());
            }
        }
        for (key, value) in
            [("layer_norm_eps", self.layer_norm_eps), ("initializer_range", self.initializer_range)]
        {
            if !(value.is_finite() && value > 0.0) {
                return wrong(key, "a positive number".into(), value.to_string());
            }
        }
        for (key, id) in [
            ("pad_token_id", Some(self.pad_token_id)),
            ("bos_token_id", self.bos_token_id),
            ("eos_token_id", self.eos_token_id),
        ] {
            if let Some(id) = id
                && !(0..self.vocab_size).contains(&id)
            {
                let expected = format!("at least 0 and below vocab_size = {}", self.vocab_size);
                return wrong(key, expected, id.to_string());
            }
        }
        if self.max_length() < 1 {
            let expected = format!("more than {}, the row of the first token", self.positions().first_row());
            return wrong("max_position_embeddings", expected, self.max_position_embeddings.to_string());
        }
        if self.is_long() != self.attention_window.is_some() {
            let expected = "a window per layer for a longformer, none otherwise".into();
            return wrong("attention_window", expected, format!("{:?}", self.attention_window));
        }
        let windows = self.attention_window.as_deref().unwrap_or_default();
        if let Some(window) = windows.iter().find(|window| **window < 2 || **window % 2 != 0) {
            return wrong("attention_window", "even numbers from 2".into(), window.to_string());
        }
        if self.attention_window.is_some() && windows.len() as i64 != self.num_hidden_layers {
            let expected = format!("{} windows, one per layer", self.num_hidden_layers);
            return wrong("attention_window", expected, windows.len().to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::families::BERT;
    use super::*;

    fn read(value: Value) -> Result<Config, ModelError> {
        Config::from_json(value.as_object().unwrap().clone(), Path::new("config.json"))
    }

    fn roberta() -> Value {
        json!({
            "architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": 0,
            "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768,
            "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
            "max_position_embeddings": 514, "model_type": "roberta", "num_attention_heads": 12,
            "num_hidden_layers": 12, "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": 50265
        })
    }

    fn changed(key: &str, value: Value) -> Value {
        let mut config = roberta();
        config[key] = value;
        config
    }

    #[test]
    fn the_published_configuration_is_read_and_comes_back_equal() {
        let config = read(roberta()).unwrap();
        assert_eq!((config.family, config.head_dim(), config.max_length()), (&ROBERTA, 64, 512));
        assert_eq!(Value::Object(config.to_json(Architecture::MaskedLm)), roberta());
    }

    #[test]
    fn a_published_bert_counts_positions_from_zero_and_has_no_ends() {
        let bert = json!({
            "architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": null,
            "classifier_dropout": null, "eos_token_id": null, "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1, "hidden_size": 384, "initializer_range": 0.02,
            "intermediate_size": 1536, "layer_norm_eps": 1e-12, "max_position_embeddings": 512,
            "model_type": "bert", "num_attention_heads": 12, "num_hidden_layers": 6, "pad_token_id": 0,
            "type_vocab_size": 2, "vocab_size": 30522
        });
        let config = read(bert.clone()).unwrap();
        assert_eq!((config.family, config.max_length(), config.bos_token_id), (&BERT, 512, None));
        assert_eq!(Value::Object(config.to_json(Architecture::MaskedLm)), bert);
    }

    #[test]
    fn unknown_keys_survive_in_their_order() {
        let mut config = changed("zeta", json!([1, {"a": null}]));
        config["alpha"] = json!("kept");
        let written = read(config).unwrap().to_json(Architecture::QuestionAnswering);
        let keys: Vec<_> = written.keys().skip_while(|key| *key != "zeta").collect();
        assert_eq!(keys, ["zeta", "alpha"]);
        assert_eq!(written["architectures"], json!(["RobertaForQuestionAnswering"]));
    }

    #[test]
    fn a_long_model_under_a_short_models_type_is_a_longformer() {
        let mut odd = changed("attention_window", json!(vec![512; 12]));
        odd["model_type"] = json!("xlm-roberta");
        odd["architectures"] = json!(["LongModelForMaskedLM"]);
        let mut true_one = odd.clone();
        true_one["model_type"] = json!("longformer");
        true_one["architectures"] = json!(["LongformerForMaskedLM"]);
        assert_eq!(read(odd.clone()).unwrap(), read(true_one.clone()).unwrap());
        assert_eq!(Value::Object(read(odd).unwrap().to_json(Architecture::MaskedLm)), true_one);
    }

    #[test]
    fn one_window_stands_for_every_layer() {
        let mut config = changed("attention_window", json!(64));
        config["model_type"] = json!("longformer");
        assert_eq!(read(config).unwrap().attention_window, Some(vec![64; 12]));
    }

    #[test]
    fn more_layers_than_there_is_memory_for_are_refused() {
        let mut config = changed("num_hidden_layers", json!(i64::MAX));
        config["model_type"] = json!("longformer");
        match read(config) {
            Err(ModelError::Config { key, .. }) => assert_eq!(key, "num_hidden_layers"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key() {
        for (key, value) in [
            ("model_type", json!("gpt2")),
            ("vocab_size", json!("many")),
            ("vocab_size", json!(null)),
            ("hidden_size", json!(770)),
            ("num_hidden_layers", json!(0)),
            ("hidden_act", json!("swish")),
            ("hidden_dropout_prob", json!(1.0)),
            ("attention_probs_dropout_prob", json!(-0.1)),
            ("layer_norm_eps", json!(0)),
            ("pad_token_id", json!(50265)),
            ("max_position_embeddings", json!(2)),
            ("attention_window", json!(511)),
            ("attention_window", json!(0)),
            ("attention_window", json!([512, 512])),
            ("attention_window", json!({})),
            ("position_embedding_type", json!("relative_key")),
            ("tie_word_embeddings", json!(false)),
            ("is_decoder", json!(true)),
            ("attention_dilation", json!([1, 2])),
        ] {
            match read(changed(key, value.clone())) {
                Err(ModelError::Config { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{key} = {value}: {other:?}"),
            }
        }
    }
}
