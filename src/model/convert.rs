//! From a model with full attention to a Longformer, as in the Longformer recipe (Beltagy et al. 2020,
//! section 5; allenai/longformer, `scripts/convert_model_to_long.ipynb`).
//!
//! The position embedding is made longer by laying its rows end to end, local projections are
//! copied into the global ones, and the configuration becomes a true `longformer` one. Unlike the
//! recipe, the rows of the special positions (padding and what precedes it) are kept, so that padded
//! input gives no NaN, and the global projections are tensors of their own.
//!
//! A Longformer numbers positions from the row after padding's. BERT, which numbers from 0, has no rows
//! before its first token's; they are zero, as transformers makes them.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, no_grad};

use super::config::{Activation, Architecture, Config};
use super::families::{self, Family, HeadActivation, LONGFORMER};
use super::mlm::MaskedLm;
use super::{ModelError, Parameters, Positions};
use crate::durable::PendingFolder;
use crate::random::Seed;
use crate::text::{SpecialTokens, Tokenizer};

/// A head that a model lacks is drawn from this seed: of one model there is one conversion.
const HEAD_SEED: Seed = Seed(0);

/// What the long model is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongSettings {
    /// The longest input, in tokens; the position embedding gets the special rows besides.
    pub max_position: i64,
    /// How many positions a token sees, both sides together, in every layer.
    pub attention_window: i64,
}

impl Default for LongSettings {
    /// The recipe's: 4096 tokens, window 512.
    fn default() -> Self {
        Self { max_position: 4096, attention_window: 512 }
    }
}

impl LongSettings {
    /// Checks what makes sense for no model at all; `from` is for messages only.
    pub fn check(&self, from: &Path) -> Result<(), ModelError> {
        // More positions than this were never published for this family, and rows would outgrow memory.
        const LONGEST: i64 = 1 << 20;
        let Self { max_position, attention_window: window } = *self;
        let refuse = |setting, expected: String, found: i64| {
            Err(ModelError::Conversion { path: from.to_owned(), setting, expected, found: found.to_string() })
        };
        if !(1..=LONGEST).contains(&max_position) {
            return refuse("max_position", format!("from 1 to {LONGEST}"), max_position);
        }
        if window < 2 || window % 2 != 0 {
            return refuse("attention_window", "an even number from 2".into(), window);
        }
        if window > max_position {
            return refuse("attention_window", format!("at most max_position = {max_position}"), window);
        }
        Ok(())
    }
}

/// Converts the masked language model in folder `from` and writes it, with its tokenizer, to folder
/// `to`, which appears whole or not at all. An encoder without a head gets a fresh one.
pub fn to_longformer(from: &Path, settings: &LongSettings, to: &Path) -> Result<(), ModelError> {
    let config = Config::read(from)?;
    let mut long_config = long_config(&config, settings, from)?;
    refuse_to_replace(from, to)?;
    let tokenizer = Tokenizer::from_folder(from)?;
    tokenizer.check_vocabulary_size(usize::try_from(config.vocab_size).unwrap_or(0), from)?;
    name_ends(&mut long_config, tokenizer.special());
    let short = MaskedLm::load_or_draw_head(from, HEAD_SEED, Device::Cpu)?;
    let long = long_parameters(short.parameters(), &config, &long_config)?;
    let pending = PendingFolder::beside(to)?;
    super::folder::save(pending.path(), &long_config, Architecture::MaskedLm, &long)?;
    tokenizer.save_to(pending.path(), usize::try_from(settings.max_position).unwrap_or(0))?;
    pending.commit()?;
    Ok(())
}

/// Copies each layer's local query, key and value projections into its global ones, as the recipe
/// does after pretraining, which trains no global projection. Returns how many tensors were copied;
/// 0 for a model without global projections.
pub fn copy_projections(parameters: &Parameters) -> usize {
    no_grad(|| {
        let mut copied = 0;
        for (name, global) in parameters.iter() {
            if let Some(local) = local_twin(name).and_then(|local| parameters.get(&local)) {
                global.shallow_clone().copy_(local);
                copied += 1;
            }
        }
        copied
    })
}

/// A folder with something in it is somebody's model.
fn refuse_to_replace(from: &Path, to: &Path) -> Result<(), ModelError> {
    let is_free = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !to.exists(),
    };
    match is_free {
        true => Ok(()),
        false => Err(ModelError::Conversion {
            path: from.to_owned(),
            setting: "to",
            expected: "a new or empty folder".into(),
            found: to.display().to_string(),
        }),
    }
}

/// The name of the local projection that a global one is copied from.
fn local_twin(name: &str) -> Option<String> {
    name.contains("_global.").then(|| name.replace("_global.", "."))
}

/// The long model's configuration, if the settings make sense for this model.
fn long_config(config: &Config, settings: &LongSettings, from: &Path) -> Result<Config, ModelError> {
    let refuse = |setting, expected: String, found: String| {
        Err(ModelError::Conversion { path: from.to_owned(), setting, expected, found })
    };
    let LongSettings { max_position, attention_window: window } = *settings;
    if config.is_long() {
        let short = families::ALL.into_iter().filter(|family| **family != LONGFORMER);
        let expected = short.map(|family| family.model_type).collect::<Vec<_>>().join(", ");
        let found = format!("a longformer of {} positions", config.max_length());
        return refuse("model_type", format!("one of {expected}"), found);
    }
    if max_position <= config.max_length() {
        let expected = format!("more than the model's own {}", config.max_length());
        return refuse("max_position", expected, max_position.to_string());
    }
    settings.check(from)?;
    if config.family.masked_lm.activation == HeadActivation::Encoder && config.hidden_act != Activation::Gelu
    {
        tracing::warn!(
            "{}: a Longformer's masked-language-model head has gelu; this model's has hidden_act",
            from.display()
        );
    }
    let mut long = config.clone();
    long.family = &LONGFORMER;
    long.max_position_embeddings = max_position + long.positions().first_row();
    long.attention_window = Some(vec![window; usize::try_from(config.num_hidden_layers).unwrap_or(0)]);
    long.other.shift_remove("use_cache");
    Ok(long)
}

/// Writes the ends of sequences where the configuration does not, for which transformers would take
/// those of its own Longformers.
fn name_ends(long: &mut Config, special: &SpecialTokens) {
    long.bos_token_id.get_or_insert(special.bos.into());
    long.eos_token_id.get_or_insert(special.eos.into());
    // transformers' question-answering Longformer finds the question's end by this token where a pair has three
    // of them, as RoBERTa's; for a BERT's two it asks to be given `global_attention_mask`.
    long.other.entry("sep_token_id").or_insert_with(|| i64::from(special.eos).into());
}

fn long_parameters(short: &Parameters, config: &Config, long: &Config) -> Result<Parameters, ModelError> {
    let mut made = vec![];
    for (name, tensor) in short.iter() {
        let name = renamed(name, config.family, long.family);
        let tensor = tensor.detach();
        if name.ends_with("position_embeddings.weight") {
            let rows =
                tile_positions(&tensor, config.positions(), long.positions(), long.max_position_embeddings)?;
            made.push((name, rows));
            continue;
        }
        let global = ["query", "key", "value"].into_iter().find_map(|which| {
            let local = format!("attention.self.{which}.");
            name.contains(&local).then(|| name.replace(&local, &format!("attention.self.{which}_global.")))
        });
        if let Some(global) = global {
            made.push((global, tensor.copy()));
        }
        made.push((name, tensor));
    }
    Ok(Parameters::of(made))
}

/// What family `to` calls the parameter that family `from` calls `name`.
fn renamed(name: &str, from: &Family, to: &Family) -> String {
    let (head, long_head) = (&from.masked_lm, &to.masked_lm);
    [
        (from.prefix, to.prefix),
        (head.dense, long_head.dense),
        (head.norm, long_head.norm),
        (head.bias, long_head.bias),
    ]
    .into_iter()
    .find_map(|(old, new)| Some(format!("{new}{}", name.strip_prefix(old)?)))
    .unwrap_or_else(|| name.to_owned())
}

/// `short` (`[old, width]`) to `[total, width]`: the rows before the first token's as they are, zeros if
/// there are none, then the others again and again, the last time as far as there is room.
fn tile_positions(short: &Tensor, from: Positions, to: Positions, total: i64) -> Result<Tensor, ModelError> {
    let (old, width) = short.size2()?;
    let (first, long_first) = (from.first_row(), to.first_row());
    let before = short.f_narrow(0, 0, first)?;
    let new = Tensor::f_zeros([long_first - first, width], (short.kind(), short.device()))?;
    let row = Tensor::f_arange(total - long_first, (Kind::Int64, short.device()))?;
    let tiled = short.f_index_select(0, &(row.f_remainder(old - first)? + first))?;
    Ok(Tensor::f_cat(&[before, new, tiled], 0)?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, random_batch};
    use super::super::{Mode, weights};
    use super::*;
    use crate::random::Seed;

    const LONG: LongSettings = LongSettings { max_position: 150, attention_window: 64 };

    fn short_model(folder: &Path) -> MaskedLm {
        short_model_of(testing::roberta(), folder)
    }

    /// A short model in a folder, with every bias and LayerNorm away from its start value.
    fn short_model_of(config: Config, folder: &Path) -> MaskedLm {
        let model = MaskedLm::from_seed(config, Seed(3), Device::Cpu).unwrap();
        no_grad(|| {
            for (index, (_, tensor)) in model.parameters().iter().enumerate() {
                let noise = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) + index as f64;
                let _ = tensor.shallow_clone().f_add_(&(noise.sin() * 0.1).view_as(tensor)).unwrap();
            }
        });
        model.save(folder).unwrap();
        fs::write(folder.join("vocab.json"), vocabulary(90)).unwrap();
        fs::write(folder.join("merges.txt"), "#version: 0.2\n").unwrap();
        fs::write(folder.join("tokenizer_config.json"), r#"{"model_max_length": 62, "zeta": [1]}"#).unwrap();
        model
    }

    /// A `vocab.json` of single characters.
    fn vocabulary(size: usize) -> String {
        let special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(str::to_owned);
        let characters = (0u32..).filter_map(|index| char::from_u32(0x100 + index)).map(String::from);
        let tokens: serde_json::Map<_, _> = special
            .into_iter()
            .chain(characters)
            .take(size)
            .zip((0..).map(serde_json::Value::from))
            .collect();
        serde_json::Value::Object(tokens).to_string()
    }

    /// Every family's short model, and the long one made of it.
    fn converted() -> Vec<(MaskedLm, MaskedLm)> {
        let pair = |config: Config| {
            let root = tempfile::tempdir().unwrap();
            let (from, to) = (root.path().join("short"), root.path().join("long"));
            let short = short_model_of(config, &from);
            to_longformer(&from, &LONG, &to).unwrap();
            (short, MaskedLm::load(&to, Device::Cpu).unwrap())
        };
        testing::short_families().into_iter().map(pair).collect()
    }

    #[test]
    fn inside_one_window_the_long_model_of_every_family_is_the_short_one() {
        for (short, long) in converted() {
            let batch = |model: &MaskedLm| random_batch(model.config(), &[33, 20], 0);
            let ours = long.hidden(&batch(&long), Mode::Evaluate).unwrap();
            let theirs = short.hidden(&batch(&short), Mode::Evaluate).unwrap();
            let name = short.config().family.model_type;
            assert!(ours.allclose(&theirs, 1e-5, 1e-6, false), "{name}");
            let all = Tensor::arange(53, (Kind::Int64, Device::Cpu));
            let logits = |model: &MaskedLm| model.logits(&batch(model), &all, Mode::Evaluate).unwrap();
            assert!(logits(&long).allclose(&logits(&short), 1e-5, 1e-6, false), "{name}");
        }
    }

    #[test]
    fn a_global_token_finds_the_local_projections() {
        for (short, long) in converted() {
            // Seen by all and seeing all through equal projections is what full attention is.
            let ours = long.hidden(&random_batch(long.config(), &[60], 60), Mode::Evaluate).unwrap();
            let theirs = short.hidden(&random_batch(short.config(), &[60], 0), Mode::Evaluate).unwrap();
            assert!(ours.allclose(&theirs, 1e-5, 1e-6, false));
        }
    }

    #[test]
    fn position_rows_repeat_and_those_before_the_first_token_stay() {
        let short = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([6, 1]) + 1.0;
        let rows = |from, to, total| {
            let long = tile_positions(&short, from, to, total).unwrap();
            Vec::<f32>::try_from(long.view(-1)).unwrap()
        };
        let after = |padding_id| Positions::After { padding_id };
        assert_eq!(rows(after(1), after(1), 12), [1., 2., 3., 4., 5., 6., 3., 4., 5., 6., 3., 4.]);
        assert_eq!(rows(Positions::FromZero, after(0), 9), [0., 1., 2., 3., 4., 5., 6., 1., 2.]);
    }

    #[test]
    fn the_tokenizer_comes_along_and_knows_the_new_length() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("short"), root.path().join("long"));
        short_model(&from);
        to_longformer(&from, &LONG, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("vocab.json")).unwrap(), vocabulary(90));
        let settings: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(to.join("tokenizer_config.json")).unwrap()).unwrap();
        assert_eq!(
            (&settings["model_max_length"], &settings["zeta"]),
            (&150.into(), &serde_json::json!([1]))
        );
    }

    #[test]
    fn a_tokenizer_of_another_vocabulary_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("short"), root.path().join("long"));
        short_model(&from);
        fs::write(from.join("vocab.json"), vocabulary(91)).unwrap();
        assert!(matches!(to_longformer(&from, &LONG, &to), Err(ModelError::Tokenizer(_))));
        assert!(!to.exists());
    }

    #[test]
    fn projections_are_copied_again_after_training() {
        let model = MaskedLm::from_seed(testing::longformer(), Seed(1), Device::Cpu).unwrap();
        assert_eq!(copy_projections(model.parameters()), 2 * 6);
        for (name, global) in model.parameters().iter() {
            if let Some(local) = local_twin(name) {
                let local = model.parameters().get(&local).unwrap();
                assert_eq!(global, local);
                assert_ne!(global.data_ptr(), local.data_ptr(), "{name} is a copy, not shared");
                assert!(global.requires_grad());
            }
        }
        let short = MaskedLm::from_seed(testing::roberta(), Seed(1), Device::Cpu).unwrap();
        assert_eq!(copy_projections(short.parameters()), 0);
    }

    #[test]
    fn nonsense_is_refused_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("short"), root.path().join("long"));
        short_model(&from);
        let refused = |from: &Path, max_position, attention_window| {
            let settings = LongSettings { max_position, attention_window };
            match to_longformer(from, &settings, &to) {
                Err(ModelError::Conversion { setting, .. }) => setting,
                other => panic!("{max_position}, {attention_window}: {other:?}"),
            }
        };
        assert_eq!(refused(&from, 62, 16), "max_position");
        assert_eq!(refused(&from, -1, 16), "max_position");
        assert_eq!(refused(&from, i64::MAX, 16), "max_position");
        assert_eq!(refused(&from, 128, 15), "attention_window");
        assert_eq!(refused(&from, 128, 0), "attention_window");
        assert_eq!(refused(&from, 128, 130), "attention_window");
        assert!(!to.exists());
        to_longformer(&from, &LONG, &to).unwrap();
        assert_eq!(refused(&to, 300, 16), "model_type");
        assert_eq!(refused(&from, 128, 16), "to");
        assert!(weights::read(&to).is_ok());
    }
}
