//! Which settings a stage has: the defaults, under the experiment's tables from the general to the
//! particular. Each value is checked here, before anything runs, and refused under its full key.

use super::ExperimentError;
use super::file::Experiment;
use super::settings::{GenerateSettings, HeldOutSettings, InitializeSettings, TokenizerSettings};
use super::settings_table::SettingsTable;
use crate::corpus::{CorpusError, Task};
use crate::model::ModelError;
use crate::model::convert::LongSettings;
use crate::qa::QaError;
use crate::qa::predict::{PREDICT_KEYS, PredictSettings};
use crate::random::Seed;
use crate::text::TextError;
use crate::train::TrainError;
use crate::train::micro_batch::MicroBatch;
use crate::train::settings::{FinetuneSettings, PRECISION_KEY, PretrainSettings};

impl Experiment {
    fn settings<S: SettingsTable>(&self, layers: &[(&str, &toml::Table)]) -> Result<S, ExperimentError> {
        S::with(layers).map_err(|wrong| self.wrong(&wrong.key, &wrong.expected, wrong.found))
    }

    pub(super) fn checked<T>(
        &self,
        section: &str,
        outcome: Result<T, TrainError>,
    ) -> Result<T, ExperimentError> {
        outcome.map_err(|error| match error {
            TrainError::Setting { key, expected, found }
            | TrainError::Text(TextError::Setting { key, expected, found }) => {
                self.wrong(&format!("{section}.{key}"), &expected, found)
            }
            other => self.wrong(section, "sound settings", other.to_string()),
        })
    }

    fn checked_model(&self, section: &str, outcome: Result<(), ModelError>) -> Result<(), ExperimentError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(ModelError::Config { key, expected, found, .. }) => {
                Err(self.wrong(&format!("{section}.{key}"), &expected, found))
            }
            Err(ModelError::Conversion { setting, expected, found, .. }) => {
                Err(self.wrong(&format!("{section}.{setting}"), &expected, found))
            }
            Err(other) => Err(self.wrong(section, "sound settings", other.to_string())),
        }
    }

    pub(super) fn generate_settings(&self, name: &str) -> Result<GenerateSettings, ExperimentError> {
        let section = format!("data.{name}");
        let settings: GenerateSettings = self.settings(&[(section.as_str(), &self.data[name].settings)])?;
        match settings.sizes.validate() {
            Ok(()) => Ok(settings),
            Err(CorpusError::Setting { key, expected, found }) => {
                Err(self.wrong(&format!("{section}.{key}"), expected, found))
            }
            Err(other) => Err(self.wrong(&section, "sound settings", other.to_string())),
        }
    }

    pub(super) fn held_out_settings(&self, name: &str) -> Result<HeldOutSettings, ExperimentError> {
        let section = format!("data.{name}");
        let settings: HeldOutSettings = self.settings(&[(section.as_str(), &self.data[name].settings)])?;
        match settings.held_out > 0.0 && settings.held_out < 1.0 {
            true => Ok(settings),
            false => {
                let found = settings.held_out.to_string();
                Err(self.wrong(&format!("{section}.held_out"), "a share above 0 and below 1", found))
            }
        }
    }

    pub(super) fn tokenizer_settings(&self, name: &str) -> Result<TokenizerSettings, ExperimentError> {
        self.settings(&[(&format!("tokenizers.{name}"), &self.tokenizers[name].settings)])
    }

    pub(super) fn initialize_settings(
        &self,
        model: &str,
        table: &toml::Table,
    ) -> Result<InitializeSettings, ExperimentError> {
        let section = format!("models.{model}.initialize");
        let settings: InitializeSettings = self.settings(&[(section.as_str(), table)])?;
        self.checked_model(&section, settings.config().check(&self.path))?;
        Ok(settings)
    }

    pub(super) fn convert_settings(
        &self,
        model: &str,
        table: &toml::Table,
    ) -> Result<LongSettings, ExperimentError> {
        let section = format!("models.{model}.convert");
        let settings: LongSettings = self.settings(&[(section.as_str(), table)])?;
        self.checked_model(&section, settings.check(&self.path))?;
        Ok(settings)
    }

    /// The top-level `[pretrain]` with the model's own laid over it.
    pub(super) fn pretrain_settings(
        &self,
        model: &str,
        table: &toml::Table,
    ) -> Result<PretrainSettings, ExperimentError> {
        let section = format!("models.{model}.pretrain");
        let shared = ("pretrain", &self.pretrain);
        let settings: PretrainSettings = self.settings(&[shared, (section.as_str(), table)])?;
        self.checked(&section, settings.validate())?;
        if settings.micro_batch == MicroBatch::Auto {
            // A stage is its settings, and dropout depends on the division that one GPU's memory gives.
            let expected = "fixed: a stage must not depend on the memory of the GPU that computes it";
            return Err(self.wrong(&format!("{section}.micro_batch"), expected, "auto".to_owned()));
        }
        Ok(settings)
    }

    /// What questions of `kind` are trained on with, under the top-level `[finetune]`, under the model's, under
    /// the task's, with the experiment's seed.
    pub(super) fn finetune_settings(
        &self,
        task: &str,
        kind: Task,
        model: &str,
        seed: Seed,
    ) -> Result<FinetuneSettings, ExperimentError> {
        let section = &self.tasks[task];
        // Settings are flat structs of numbers and names, which TOML holds.
        let defaults = toml::Table::try_from(FinetuneSettings::for_task(kind)).unwrap_or_default();
        let mut settings: FinetuneSettings = self.settings(&[
            (kind.name(), &defaults),
            ("finetune", &self.finetune),
            (&format!("models.{model}.finetune"), &self.models[model].finetune),
            (&format!("tasks.{task}"), &section.own),
            (&format!("tasks.{task}.finetune"), &section.finetune),
        ])?;
        settings.optimization.seed = seed;
        self.checked(&format!("tasks.{task}.finetune"), settings.validate())?;
        Ok(settings)
    }

    /// As [`Self::finetune_settings`]; questions are laid out as in fine-tuning unless `predict` tables
    /// say otherwise.
    pub(super) fn predict_settings(
        &self,
        task: &str,
        model: &str,
        trained: &FinetuneSettings,
    ) -> Result<PredictSettings, ExperimentError> {
        let section = &self.tasks[task];
        let as_trained = as_trained(trained);
        let settings: PredictSettings = self.settings(&[
            (&format!("tasks.{task}"), &as_trained),
            ("predict", &self.predict),
            (&format!("models.{model}.predict"), &self.models[model].predict),
            (&format!("tasks.{task}.predict"), &section.predict),
        ])?;
        let refuse = |key: &str, expected: &str, found: String| {
            Err(self.wrong(&format!("tasks.{task}.predict.{key}"), expected, found))
        };
        match settings.validate() {
            Ok(()) => Ok(settings),
            Err(QaError::Setting { key, expected, found }) => refuse(key, expected, found.to_string()),
            Err(QaError::Text(TextError::Setting { key, expected, found })) => refuse(key, &expected, found),
            Err(other) => {
                Err(self.wrong(&format!("tasks.{task}.predict"), "sound settings", other.to_string()))
            }
        }
    }
}

/// The settings of `trained` that prediction has too, but for how fast it computes.
fn as_trained(trained: &FinetuneSettings) -> toml::Table {
    // Settings are flat structs of numbers and names, which TOML holds.
    let mut table = toml::Table::try_from(trained).unwrap_or_default();
    table.retain(|key, _| key != PRECISION_KEY.0 && PREDICT_KEYS.iter().any(|(known, _)| key == *known));
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Result<Experiment, ExperimentError> {
        Experiment::parse(Path::new("x.toml"), text.to_owned())
    }

    const SMALL: &str = r#"
        name = "x"
        seeds = [1]
        [models.b]
        checkpoint = "b"
        [models.a.convert]
        max_position = 1024
        [models.a]
        from = "b"
        [tasks.squad]
        kind = "squad"
        models = ["b"]
        train = "squad:train-v1.1.json"
        evaluate = "squad:dev-v1.1.json"
        max_length = 512
        [models.b.finetune]
        learning_rate = 1e-4
        max_length = 128
        [finetune]
        learning_rate = 2e-4
        doc_stride = 99
        [predict]
        n_best_size = 5
    "#;

    #[test]
    fn settings_come_from_the_most_particular_table_that_names_them() {
        let experiment = parse(SMALL).unwrap();
        assert_eq!(experiment.model_order, ["b", "a"]);
        let finetune = experiment.finetune_settings("squad", Task::Squad, "b", Seed(7)).unwrap();
        assert_eq!(finetune.optimization.learning_rate, 1e-4);
        assert_eq!((finetune.max_length, finetune.doc_stride), (512, 99));
        assert_eq!(finetune.optimization.seed, Seed(7));
        let predict = experiment.predict_settings("squad", "b", &finetune).unwrap();
        assert_eq!((predict.max_length, predict.doc_stride, predict.n_best_size), (512, 99, 5));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_reported_by_its_full_key() {
        let text = SMALL.replace("learning_rate = 1e-4", "learning_rate = -1");
        let error = parse(&text)
            .unwrap()
            .finetune_settings("squad", Task::Squad, "b", Seed(1))
            .unwrap_err()
            .to_string();
        assert!(error.contains("tasks.squad.finetune.learning_rate") && error.contains("-1"), "{error}");
        let text = SMALL.replace("learning_rate = 1e-4", "learning_rate = true");
        let error = parse(&text)
            .unwrap()
            .finetune_settings("squad", Task::Squad, "b", Seed(1))
            .unwrap_err()
            .to_string();
        assert!(error.contains("models.b.finetune.learning_rate") && error.contains("true"), "{error}");
        let experiment = parse(&SMALL.replace("n_best_size = 5", "n_best_size = 0")).unwrap();
        let trained = experiment.finetune_settings("squad", Task::Squad, "b", Seed(1)).unwrap();
        let error = experiment.predict_settings("squad", "b", &trained).unwrap_err().to_string();
        assert!(error.contains("tasks.squad.predict.n_best_size") && error.contains("at least 1"), "{error}");
    }
}
