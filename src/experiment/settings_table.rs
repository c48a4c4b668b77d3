//! Settings as tables: the keys of a settings struct, and the laying of one table over another.
//!
//! The command line makes its flags and experiment files their keys from the same structs, so that a
//! flag, a key and a field cannot drift apart.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::train::settings::{FINETUNE_KEYS, FinetuneSettings, PRETRAIN_KEYS, PretrainSettings};

/// A flat struct of settings with defaults.
pub trait SettingsTable: Default + Serialize + DeserializeOwned {
    /// Every key with its meaning.
    const KEYS: &'static [(&'static str, &'static str)];

    /// The defaults by key.
    fn default_table() -> toml::Table {
        Self::default().table()
    }

    /// The values by key.
    fn table(&self) -> toml::Table {
        // Settings are flat structs of numbers, names and lists, which TOML holds.
        toml::Table::try_from(self).unwrap_or_default()
    }

    /// The defaults with the keys of each layer laid over them, later layers over earlier ones. A
    /// layer is a table and its name, `models.tiny.pretrain`. Values are checked for their type.
    fn with(layers: &[(&str, &toml::Table)]) -> Result<Self, WrongType> {
        Self::default().overlaid(layers)
    }

    /// As [`SettingsTable::with`], over these values, a task's own defaults perhaps.
    fn overlaid(&self, layers: &[(&str, &toml::Table)]) -> Result<Self, WrongType> {
        let mut all = self.table();
        for (name, layer) in layers {
            for (key, value) in *layer {
                // Each key alone first: a deserializer's message about the whole does not name the key.
                let mut alone = Self::default_table();
                alone.insert(key.clone(), value.clone());
                if let Err(error) = alone.try_into::<Self>() {
                    return Err(WrongType {
                        key: format!("{name}.{key}"),
                        expected: error.message().to_owned(),
                        found: value.to_string(),
                    });
                }
                all.insert(key.clone(), value.clone());
            }
        }
        all.try_into().map_err(|error| WrongType {
            key: layers.last().map(|(name, _)| name.to_string()).unwrap_or_default(),
            expected: error.message().to_owned(),
            found: "this table".to_owned(),
        })
    }
}

/// A value of a wrong type.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: {expected}, found {found}")]
pub struct WrongType {
    /// The key with the name of its table before it.
    pub key: String,
    /// What was expected, in the deserializer's words.
    pub expected: String,
    /// The value as written.
    pub found: String,
}

impl SettingsTable for PretrainSettings {
    const KEYS: &'static [(&'static str, &'static str)] = PRETRAIN_KEYS;
}

impl SettingsTable for FinetuneSettings {
    const KEYS: &'static [(&'static str, &'static str)] = FINETUNE_KEYS;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Task;
    use crate::experiment::settings::GenerateSettings;
    use crate::qa::predict::PredictSettings;

    #[test]
    fn later_layers_win_and_what_none_names_keeps_its_default() {
        let base: toml::Table = toml::from_str("learning_rate = 1e-3\nmax_steps = 10").unwrap();
        let own: toml::Table = toml::from_str("max_steps = 20").unwrap();
        let settings: PretrainSettings =
            PretrainSettings::with(&[("pretrain", &base), ("models.a.pretrain", &own)]).unwrap();
        assert_eq!(settings.max_steps, 20);
        assert_eq!(settings.optimization.learning_rate, 1e-3);
        assert_eq!(settings.model_max_length, PretrainSettings::default().model_max_length);
    }

    /// The defaults of pretraining are not those of each part of it.
    #[test]
    fn an_empty_table_gives_the_defaults() {
        assert_eq!(PretrainSettings::with(&[]).unwrap(), PretrainSettings::default());
        assert_eq!(GenerateSettings::with(&[]).unwrap(), GenerateSettings::default());
        assert_eq!(PredictSettings::with(&[]).unwrap(), PredictSettings::default());
    }

    #[test]
    fn layers_can_lie_over_the_defaults_of_a_task() {
        let table: toml::Table = toml::from_str("max_length = 512").unwrap();
        let own = FinetuneSettings::for_task(Task::TriviaQa);
        let settings = own.overlaid(&[("finetune", &table)]).unwrap();
        assert_eq!(settings, FinetuneSettings { max_length: 512, ..own });
    }

    #[test]
    fn a_whole_number_will_do_for_a_fraction() {
        let table: toml::Table = toml::from_str("num_train_epochs = 2\nmax_grad_norm = 1").unwrap();
        let settings: FinetuneSettings = FinetuneSettings::with(&[("finetune", &table)]).unwrap();
        assert_eq!((settings.num_train_epochs, settings.optimization.max_grad_norm), (2.0, 1.0));
    }

    #[test]
    fn a_wrong_type_is_reported_by_its_key() {
        let table: toml::Table = toml::from_str("max_steps = 3\nlearning_rate = \"fast\"").unwrap();
        let error = PretrainSettings::with(&[("pretrain", &table)]).unwrap_err();
        assert_eq!(error.key, "pretrain.learning_rate");
        assert_eq!(error.found, "\"fast\"");
    }
}
