//! A stage: one step of an experiment, known by its key.
//!
//! The key is the SHA-256 of the stage's kind and version, its settings and its inputs' keys, so
//! the same key means the same output, and a changed setting gives new keys to the stages behind it
//! and to no others.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::{GenerateSettings, HeldOutSettings, InitializeSettings, TokenizerSettings};
use super::source::KnownFile;
use super::works::{Answering, Comparing, Finetuning, Preparing, Scoring};
use crate::corpus::without::Expected;
use crate::digest::{Digest, Hasher};
use crate::model::convert::LongSettings;
use crate::train::settings::{NEUTRAL_KEYS, PretrainSettings};

/// What stands for a stage and for its output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageKey(pub Digest);

impl fmt::Display for StageKey {
    /// The first twelve digits, which are the stage's folder name too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.short())
    }
}

impl fmt::Debug for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a stage does, with the settings for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Files of a lock entry, downloaded.
    Fetch(Fetched),
    /// Files from this machine, copied.
    Copy(Copied),
    /// The built-in data, generated.
    Miniature(GenerateSettings),
    /// Questions, without those that other files ask too.
    Without(Expected),
    /// A text in two parts, one of them held out.
    HeldOut(HeldOutSettings),
    /// A tokenizer, trained on a text.
    TrainTokenizer(TokenizerSettings),
    /// A model with random weights.
    Initialize(InitializeSettings),
    /// A short model made long.
    Convert(LongSettings),
    /// A text as blocks of tokens.
    Blocks(BlocksSettings),
    /// Masked-language-model training.
    Pretrain(PretrainSettings),
    /// Paragraphs of training and evaluation, which should not be the same ones.
    Overlap(Comparing),
    /// TriviaQA's documents as tokens, for training.
    Prepare(Preparing),
    /// Question-answering training.
    Finetune(Finetuning),
    /// Answers to the questions of a file.
    Predict(Answering),
    /// Those answers scored against gold ones.
    Score(Scoring),
}

/// One entry of the lock. Its name and addresses are not part of the key, its content is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fetched {
    /// The entry's name.
    #[serde(skip)]
    pub name: String,
    /// What stands for its content, [`crate::fetch::Entry::key`].
    pub entry: Digest,
    /// The name of the one file that it is; none: it is a folder.
    pub file: Option<String>,
}

/// Files of this machine. Their place is not part of the key, their content is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copied {
    /// The file, or the folder that holds the files.
    #[serde(skip)]
    pub from: std::path::PathBuf,
    /// The files.
    pub files: Vec<KnownFile>,
}

/// How a text is cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlocksSettings {
    /// Tokens per block, `<s>` and `</s>` included.
    pub block_length: usize,
}

impl Work {
    /// The kind's name, which is the folder of its stages too.
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Fetch(_) => "fetch",
            Work::Copy(_) => "copy",
            Work::Miniature(_) => "miniature",
            Work::Without(_) => "without",
            Work::HeldOut(_) => "held-out",
            Work::TrainTokenizer(_) => "train-tokenizer",
            Work::Initialize(_) => "initialize",
            Work::Convert(_) => "convert",
            Work::Blocks(_) => "blocks",
            Work::Pretrain(_) => "pretrain",
            Work::Overlap(_) => "overlap",
            Work::Prepare(_) => "prepare",
            Work::Finetune(_) => "finetune",
            Work::Predict(_) => "predict",
            Work::Score(_) => "score",
        }
    }

    /// Raised when the same settings and inputs begin to give another output.
    pub fn version(&self) -> u32 {
        match self {
            Work::Fetch(_) | Work::Copy(_) | Work::Miniature(_) | Work::TrainTokenizer(_) => 1,
            Work::Initialize(_) | Work::Convert(_) | Work::Blocks(_) | Work::Prepare(_) => 1,
            Work::Without(_) | Work::HeldOut(_) | Work::Score(_) | Work::Overlap(_) => 1,
            // 2: tokens laid end to end without padding, passes by tokens.
            Work::Pretrain(_) | Work::Finetune(_) | Work::Predict(_) => 2,
        }
    }

    /// The settings that the output depends on. How often a run saves its state is not among them:
    /// a run saved more often ends with the same weights.
    pub fn settings(&self) -> Value {
        let value = match self {
            Work::Fetch(fetched) => serde_json::to_value(fetched),
            Work::Copy(copied) => serde_json::to_value(copied),
            Work::Miniature(settings) => serde_json::to_value(settings),
            Work::Without(expected) => serde_json::to_value(expected),
            Work::HeldOut(settings) => serde_json::to_value(settings),
            Work::TrainTokenizer(settings) => serde_json::to_value(settings),
            Work::Initialize(settings) => serde_json::to_value(settings),
            Work::Convert(settings) => serde_json::to_value(settings),
            Work::Blocks(settings) => serde_json::to_value(settings),
            Work::Pretrain(settings) => serde_json::to_value(settings),
            Work::Overlap(comparing) => serde_json::to_value(comparing),
            Work::Prepare(settings) => serde_json::to_value(settings),
            Work::Finetune(settings) => serde_json::to_value(settings),
            Work::Predict(settings) => serde_json::to_value(settings),
            Work::Score(settings) => serde_json::to_value(settings),
        };
        // Plain structs of numbers, texts and lists: there is no value that JSON cannot hold.
        let mut value = value.unwrap_or_default();
        if let (Work::Pretrain(_) | Work::Finetune(_), Value::Object(keys)) = (self, &mut value) {
            keys.retain(|key, _| !NEUTRAL_KEYS.contains(&key.as_str()));
        }
        value
    }
}

/// What an input is to the stage that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A model folder.
    Model,
    /// A folder with tokenizer files.
    Tokenizer,
    /// Raw text.
    Text,
    /// Questions of which some are left out.
    Questions,
    /// The questions that are left out.
    Without,
    /// Data to train on.
    Train,
    /// Training examples made of it.
    Examples,
    /// Data to evaluate on.
    Evaluate,
    /// A folder of predictions.
    Predictions,
}

impl Role {
    /// Its name in manifests and keys.
    pub fn name(self) -> &'static str {
        match self {
            Role::Model => "model",
            Role::Tokenizer => "tokenizer",
            Role::Text => "text",
            Role::Questions => "questions",
            Role::Without => "without",
            Role::Train => "train",
            Role::Examples => "examples",
            Role::Evaluate => "evaluate",
            Role::Predictions => "predictions",
        }
    }
}

/// The output of an earlier stage, as read by a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What it is for.
    pub role: Role,
    /// The stage, by its place in the plan.
    pub stage: usize,
    /// That stage's key.
    pub key: StageKey,
    /// The file of its output that is read; none: the whole folder.
    pub file: Option<String>,
}

/// One step of an experiment.
#[derive(Debug, Clone)]
pub struct Stage {
    /// What stands for it.
    pub key: StageKey,
    /// For people: what it is about, `roberta-long on squad, seed 42`.
    pub title: String,
    /// What it does.
    pub work: Work,
    /// What it reads.
    pub inputs: Vec<Input>,
}

impl Stage {
    /// A stage with its key.
    pub fn new(title: String, work: Work, inputs: Vec<Input>) -> Self {
        let mut hasher = Hasher::default();
        hasher.field(b"longqa-stage-1").field(work.kind().as_bytes()).field(&work.version().to_le_bytes());
        hasher.field(canonical(&work.settings()).as_bytes());
        for input in &inputs {
            hasher.field(input.role.name().as_bytes()).field(input.key.0.bytes());
            hasher.field(input.file.as_deref().unwrap_or_default().as_bytes());
        }
        Self { key: StageKey(hasher.digest()), title, work, inputs }
    }
}

/// JSON with sorted keys and no spaces: one text for one value.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs: Vec<_> = pairs
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", pairs.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Reading, Task};
    use crate::text::Protocol;
    use crate::train::settings::FinetuneSettings;
    use serde_json::json;

    fn blocks(length: usize, inputs: Vec<Input>) -> Stage {
        Stage::new("t".into(), Work::Blocks(BlocksSettings { block_length: length }), inputs)
    }

    #[test]
    fn a_key_depends_on_settings_inputs_and_files_and_not_on_the_title() {
        let base = blocks(16, vec![]);
        let input = |file: &str| {
            vec![Input { role: Role::Text, stage: 0, key: base.key, file: Some(file.to_owned()) }]
        };
        let scoring = Scoring { questions: Reading::of(Task::Squad), protocol: Protocol::Standard };
        let keys = [
            base.key,
            blocks(17, vec![]).key,
            blocks(16, input("a")).key,
            blocks(16, input("b")).key,
            Stage::new("t".into(), Work::Score(scoring), vec![]).key,
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key), "{i}");
        }
        let renamed = Stage::new("other".into(), Work::Blocks(BlocksSettings { block_length: 16 }), vec![]);
        assert_eq!(renamed.key, base.key);
    }

    /// Keys are names on disk: a change here forgets every result that users have. Raise the
    /// version of a kind instead.
    #[test]
    fn keys_do_not_drift() {
        assert_eq!(blocks(4096, vec![]).key.0.to_string(), KEY_OF_BLOCKS);
    }
    const KEY_OF_BLOCKS: &str = "3872997eedccbe6eda2497a32acfb09b9c5d887740f75cabef15791c09a7254a";

    #[test]
    fn how_often_state_is_saved_is_not_part_of_the_key() {
        let key = |change: fn(&mut FinetuneSettings)| {
            let mut settings = FinetuneSettings::default();
            change(&mut settings);
            let finetuning = Finetuning { settings, questions: Reading::of(Task::Squad) };
            Stage::new(String::new(), Work::Finetune(finetuning), vec![]).key
        };
        let plain = key(|_| {});
        assert_eq!(plain, key(|settings| settings.optimization.save_steps = 7));
        assert_ne!(plain, key(|settings| settings.optimization.learning_rate = 7.0));
        assert_ne!(plain, key(|settings| settings.max_length = 500));
    }

    #[test]
    fn canonical_json_sorts_keys_at_every_depth() {
        let value = json!({"b": [{"d": 1, "c": 0.1}], "a": "\"é"});
        assert_eq!(canonical(&value), "{\"a\":\"\\\"é\",\"b\":[{\"c\":0.1,\"d\":1}]}");
    }
}
