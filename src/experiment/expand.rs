//! From an experiment file to a plan: models × tasks × languages × seeds as stages.
//!
//! Data and their comparisons come first; then models in the file's order; then one seed after the other,
//! so that a whole first table is there early.

use std::collections::HashMap;

use super::ExperimentError;
use super::file::{Experiment, ModelSection};
use super::plan::{Plan, Pretraining};
use super::stage::{BlocksSettings, Input, Role, Stage, StageKey, Work};
use crate::fetch::Lock;

/// The plan of `experiment`, stages in the order in which they are first asked for.
pub(super) fn expand(experiment: &Experiment, lock: &Lock) -> Result<Plan, ExperimentError> {
    let mut builder = Builder {
        experiment,
        lock,
        plan: Plan { stages: Vec::new(), cells: Vec::new(), pretrainings: Vec::new() },
        places: HashMap::new(),
        models: HashMap::new(),
        under_way: Vec::new(),
    };
    builder.comparisons()?;
    for name in &experiment.model_order {
        builder.model(name)?;
    }
    for seed in &experiment.seeds {
        for name in &experiment.task_order {
            builder.task(name, *seed)?;
        }
    }
    Ok(builder.plan)
}

/// A model as far as it is planned.
#[derive(Clone, Copy)]
pub(super) struct Planned {
    /// The stage whose folder holds the model.
    pub(super) weights: usize,
    /// The stage whose folder holds its tokenizer, which conversion and training do not change.
    pub(super) tokenizer: usize,
    /// Tokens of its longest input, where the experiment file says so.
    longest: Option<usize>,
}

/// A plan in the making. How tasks are added is in `tasks.rs`, how their data are compared in
/// `overlap.rs`, what names of files mean in `references.rs`.
pub(super) struct Builder<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) lock: &'a Lock,
    pub(super) plan: Plan,
    places: HashMap<StageKey, usize>,
    pub(super) models: HashMap<String, Planned>,
    /// Models and data being planned, each for the sake of the one before it.
    under_way: Vec<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn stage(&mut self, title: String, work: Work, inputs: Vec<Input>) -> usize {
        let stage = Stage::new(title, work, inputs);
        *self.places.entry(stage.key).or_insert_with(|| {
            self.plan.stages.push(stage);
            self.plan.stages.len() - 1
        })
    }

    pub(super) fn input(&self, role: Role, (stage, file): (usize, Option<String>)) -> Input {
        Input { role, stage, key: self.plan.stages[stage].key, file }
    }

    /// Notes that the table called `table` is being planned; `key` of it says what it is made of. Refuses
    /// what is made of itself.
    pub(super) fn begin(&mut self, table: String, key: &str) -> Result<(), ExperimentError> {
        if self.under_way.contains(&table) {
            let found = format!("{} → {table}", self.under_way.join(" → "));
            return Err(self.experiment.wrong(&format!("{table}.{key}"), "what is made before it", found));
        }
        self.under_way.push(table);
        Ok(())
    }

    /// What was begun last is planned.
    pub(super) fn end(&mut self) {
        self.under_way.pop();
    }

    fn model(&mut self, name: &str) -> Result<Planned, ExperimentError> {
        if let Some(planned) = self.models.get(name) {
            return Ok(*planned);
        }
        let experiment = self.experiment;
        self.begin(format!("models.{name}"), "from")?;
        let section = &experiment.models[name];
        let mut planned = self.origin(name, section)?;
        if let Some(table) = &section.convert {
            let settings = experiment.convert_settings(name, table)?;
            let inputs = vec![self.input(Role::Model, (planned.weights, None))];
            planned.longest = usize::try_from(settings.max_position).ok();
            planned.weights = self.stage(name.to_owned(), Work::Convert(settings), inputs);
        }
        if let Some(table) = &section.pretrain {
            planned.weights = self.pretraining(name, section, table, planned)?;
        }
        self.end();
        self.models.insert(name.to_owned(), planned);
        Ok(planned)
    }

    /// What a model is before it is converted or trained.
    fn origin(&mut self, name: &str, section: &ModelSection) -> Result<Planned, ExperimentError> {
        let experiment = self.experiment;
        let table = format!("models.{name}");
        match (&section.checkpoint, &section.from, &section.initialize) {
            (Some(checkpoint), None, None) => {
                let stage = self.checkpoint(&table, checkpoint)?;
                Ok(Planned { weights: stage, tokenizer: stage, longest: None })
            }
            (None, Some(from), None) => {
                if !experiment.models.contains_key(from) {
                    return Err(self.no_such(
                        &format!("{table}.from"),
                        "model",
                        from,
                        &experiment.model_order,
                    ));
                }
                self.model(from)
            }
            (None, None, Some(settings)) => {
                let settings = experiment.initialize_settings(name, settings)?;
                let tokenizer = section.tokenizer.as_deref().ok_or_else(|| {
                    experiment.wrong(&format!("{table}.tokenizer"), "the name of a tokenizer", "nothing")
                })?;
                let tokenizer = self.tokenizer(&format!("{table}.tokenizer"), tokenizer)?;
                let inputs = vec![self.input(Role::Tokenizer, (tokenizer, None))];
                // Two rows of positions are not for tokens.
                let longest = usize::try_from(settings.max_position_embeddings - 2).ok();
                let weights = self.stage(name.to_owned(), Work::Initialize(settings), inputs);
                Ok(Planned { weights, tokenizer, longest })
            }
            given => {
                let given = [given.0.is_some(), given.1.is_some(), given.2.is_some()];
                let count = given.into_iter().filter(|is_given| *is_given).count();
                let expected = "one of `checkpoint`, `from`, `initialize`";
                Err(experiment.wrong(&table, expected, if count == 0 { "none" } else { "several" }))
            }
        }
    }

    fn pretraining(
        &mut self,
        name: &str,
        section: &ModelSection,
        table: &toml::Table,
        before: Planned,
    ) -> Result<usize, ExperimentError> {
        let experiment = self.experiment;
        let own = format!("models.{name}.pretrain");
        let mut table = table.clone();
        let mut shared = |key: &str| {
            let value = table.remove(key).or_else(|| experiment.pretrain.get(key).cloned());
            match value {
                Some(toml::Value::String(text)) => Ok(Some(text)),
                Some(other) => Err(experiment.wrong(&format!("{own}.{key}"), "a text", other.to_string())),
                None => Ok(None),
            }
        };
        let train_file = shared("train_file_path")?;
        let val_file = shared("val_file_path")?;
        let published = shared("published")?;
        let settings = experiment.pretrain_settings(name, &table)?;
        self.fits(&format!("{own}.model_max_length"), name, before, settings.model_max_length)?;
        let mut files = Vec::new();
        for (role, key, text) in
            [(Role::Train, "train_file_path", &train_file), (Role::Evaluate, "val_file_path", &val_file)]
        {
            let key = format!("{own}.{key}");
            let text = text.as_deref().ok_or_else(|| experiment.wrong(&key, "a text file", "nothing"))?;
            let source = self.file(&key, text)?;
            let inputs =
                vec![self.input(Role::Tokenizer, (before.tokenizer, None)), self.input(Role::Text, source)];
            let block_length = settings.model_max_length;
            let title = format!("{text}, {block_length} tokens each");
            files.push((role, self.stage(title, Work::Blocks(BlocksSettings { block_length }), inputs)));
        }
        let mut inputs = vec![self.input(Role::Model, (before.weights, None))];
        inputs.extend(files.into_iter().map(|(role, stage)| self.input(role, (stage, None))));
        let max_length = settings.model_max_length;
        let stage = self.stage(name.to_owned(), Work::Pretrain(settings), inputs);
        self.plan.pretrainings.push(Pretraining {
            model: name.to_owned(),
            published_model: section.published.clone().unwrap_or_else(|| name.to_owned()),
            corpus: published.or(val_file).unwrap_or_default(),
            max_length,
            stage,
        });
        Ok(stage)
    }

    /// Refuses inputs that are longer than the model's: better now than after hours of pretraining.
    pub(super) fn fits(
        &self,
        key: &str,
        model: &str,
        planned: Planned,
        length: usize,
    ) -> Result<(), ExperimentError> {
        match planned.longest {
            Some(longest) if length > longest => {
                let expected = format!("at most {longest}, the longest input of `{model}`");
                Err(self.experiment.wrong(key, &expected, length.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn tokenizer(&mut self, key: &str, name: &str) -> Result<usize, ExperimentError> {
        let experiment = self.experiment;
        let Some(section) = experiment.tokenizers.get(name) else {
            let names: Vec<_> = experiment.tokenizers.keys().cloned().collect();
            return Err(self.no_such(key, "tokenizer", name, &names));
        };
        let settings = experiment.tokenizer_settings(name)?;
        let text = self.file(&format!("tokenizers.{name}.train_on"), &section.train_on)?;
        let inputs = vec![self.input(Role::Text, text)];
        Ok(self.stage(name.to_owned(), Work::TrainTokenizer(settings), inputs))
    }
}
