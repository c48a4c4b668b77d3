//! From an experiment file to a plan: models × tasks × languages × seeds as stages, each one once,
//! every stage after those it reads.
//!
//! Downloads come first, so that a missing file is known before hours of work; then models in the
//! file's order; then one seed after the other, so that a whole first table is there early.

use std::collections::HashMap;
use std::path::Path;

use super::ExperimentError;
use super::file::{Evaluate, Experiment, ModelSection, TaskSection};
use super::keys::nearest;
use super::source::{Catalogue, CatalogueEntry, KnownFile, Source, as_path, local_files};
use super::stage::{BlocksSettings, Copied, Fetched, Input, Role, ScoreSettings, Stage, StageKey, Work};
use crate::random::Seed;

/// Everything an experiment consists of.
#[derive(Debug)]
pub struct Plan {
    /// The stages, every one after its inputs.
    pub stages: Vec<Stage>,
    /// One for each number of the table and seed.
    pub cells: Vec<Cell>,
    /// One for each model that is pretrained.
    pub pretrainings: Vec<Pretraining>,
}

/// One model on one task in one language with one seed.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The model's name in the experiment file.
    pub model: String,
    /// Its name among the published numbers.
    pub published_model: String,
    /// The task's name in the experiment file.
    pub task: String,
    /// Its name among the published numbers.
    pub published_task: String,
    /// The language of the questions.
    pub language: String,
    /// The seed of fine-tuning.
    pub seed: Seed,
    /// How it is done, `standard 384/128`: rules, window length, distance of windows.
    pub protocol: String,
    /// The stage that trains, by its place in the plan.
    pub finetune: usize,
    /// The stage that answers.
    pub predict: usize,
    /// The stage that scores.
    pub score: usize,
}

/// One model's masked-language-model training.
#[derive(Debug, Clone)]
pub struct Pretraining {
    /// The model's name in the experiment file.
    pub model: String,
    /// Its name among the published numbers.
    pub published_model: String,
    /// The text that it is evaluated on: its name among the published numbers, else its reference.
    pub corpus: String,
    /// The language of that text is not known here; the length of its blocks is.
    pub max_length: usize,
    /// The stage, by its place in the plan.
    pub stage: usize,
}

impl Plan {
    /// Expands `experiment`, with `catalogue` for the names of remote files. Reads local files to
    /// take their digests, and nothing else.
    pub fn new(experiment: &Experiment, catalogue: &Catalogue) -> Result<Self, ExperimentError> {
        let mut builder = Builder {
            experiment,
            catalogue,
            plan: Plan { stages: Vec::new(), cells: Vec::new(), pretrainings: Vec::new() },
            places: HashMap::new(),
            models: HashMap::new(),
            under_way: Vec::new(),
        };
        for name in &experiment.model_order {
            builder.model(name)?;
        }
        for seed in &experiment.seeds {
            for name in &experiment.task_order {
                builder.task(name, *seed)?;
            }
        }
        Ok(builder.plan.with_downloads_first())
    }

    /// The stages that an experiment is run for: its scores and its pretrained models.
    pub fn targets(&self) -> impl Iterator<Item = usize> + '_ {
        let pretrained = self.pretrainings.iter().map(|pretraining| pretraining.stage);
        pretrained.chain(self.cells.iter().map(|cell| cell.score))
    }

    fn with_downloads_first(mut self) -> Self {
        let brings_files = |stage: &Stage| matches!(stage.work, Work::Fetch(_) | Work::Copy(_));
        let mut order: Vec<usize> = (0..self.stages.len()).collect();
        order.sort_by_key(|&at| !brings_files(&self.stages[at]));
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        let mut stages: Vec<_> = self.stages.into_iter().enumerate().collect();
        stages.sort_by_key(|(old, _)| place[*old]);
        self.stages = stages.into_iter().map(|(_, stage)| stage).collect();
        for input in self.stages.iter_mut().flat_map(|stage| &mut stage.inputs) {
            input.stage = place[input.stage];
        }
        for cell in &mut self.cells {
            for at in [&mut cell.finetune, &mut cell.predict, &mut cell.score] {
                *at = place[*at];
            }
        }
        for pretraining in &mut self.pretrainings {
            pretraining.stage = place[pretraining.stage];
        }
        self
    }
}

/// A model as far as it is planned.
#[derive(Clone, Copy)]
struct Planned {
    /// The stage whose folder holds the model.
    weights: usize,
    /// The stage whose folder holds its tokenizer, which conversion and training do not change.
    tokenizer: usize,
}

struct Builder<'a> {
    experiment: &'a Experiment,
    catalogue: &'a Catalogue,
    plan: Plan,
    places: HashMap<StageKey, usize>,
    models: HashMap<String, Planned>,
    under_way: Vec<String>,
}

impl Builder<'_> {
    fn stage(&mut self, title: String, work: Work, inputs: Vec<Input>) -> usize {
        let stage = Stage::new(title, work, inputs);
        *self.places.entry(stage.key).or_insert_with(|| {
            self.plan.stages.push(stage);
            self.plan.stages.len() - 1
        })
    }

    fn input(&self, role: Role, (stage, file): (usize, Option<String>)) -> Input {
        Input { role, stage, key: self.plan.stages[stage].key, file }
    }

    fn model(&mut self, name: &str) -> Result<Planned, ExperimentError> {
        if let Some(planned) = self.models.get(name) {
            return Ok(*planned);
        }
        let experiment = self.experiment;
        if self.under_way.iter().any(|other| other == name) {
            let found = format!("{} → {name}", self.under_way.join(" → "));
            return Err(experiment.wrong(
                &format!("models.{name}.from"),
                "a model that is made before this one",
                found,
            ));
        }
        self.under_way.push(name.to_owned());
        let section = &experiment.models[name];
        let mut planned = self.origin(name, section)?;
        if let Some(table) = &section.convert {
            let settings = experiment.convert_settings(name, table)?;
            let inputs = vec![self.input(Role::Model, (planned.weights, None))];
            planned.weights = self.stage(name.to_owned(), Work::Convert(settings), inputs);
        }
        if let Some(table) = &section.pretrain {
            planned.weights = self.pretraining(name, section, table, planned)?;
        }
        self.under_way.pop();
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
                Ok(Planned { weights: stage, tokenizer: stage })
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
                let weights = self.stage(name.to_owned(), Work::Initialize(settings), inputs);
                Ok(Planned { weights, tokenizer })
            }
            given => {
                let given = [given.0.is_some(), given.1.is_some(), given.2.is_some()];
                let count = given.into_iter().filter(|is_given| *is_given).count();
                let expected = "one of `checkpoint`, `from`, `initialize`";
                Err(experiment.wrong(&table, expected, if count == 0 { "none" } else { "several" }))
            }
        }
    }

    fn checkpoint(&mut self, table: &str, text: &str) -> Result<usize, ExperimentError> {
        if let Some(path) = as_path(text, self.folder()) {
            return self.copy(text, &path);
        }
        let entry = self.entry(&format!("{table}.checkpoint"), text)?;
        let files = entry.files.clone();
        Ok(self.fetch(entry.name.clone(), entry, files))
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

    fn task(&mut self, name: &str, seed: Seed) -> Result<(), ExperimentError> {
        let experiment = self.experiment;
        let section: &TaskSection = &experiment.tasks[name];
        let table = format!("tasks.{name}");
        if section.kind != "squad" {
            return Err(experiment.wrong(&format!("{table}.kind"), "`squad`", format!("`{}`", section.kind)));
        }
        let evaluations: Vec<(String, String)> = match &section.evaluate {
            Evaluate::One(file) => vec![(section.language.clone(), file.clone())],
            Evaluate::Each(files) => files.clone().into_iter().collect(),
        };
        for model in &section.models {
            if !experiment.models.contains_key(model) {
                return Err(self.no_such(
                    &format!("{table}.models"),
                    "model",
                    model,
                    &experiment.model_order,
                ));
            }
            let settings = experiment.finetune_settings(name, model, seed)?;
            let predict = experiment.predict_settings(name, model, &settings)?;
            let protocol = format!("standard {}/{}", predict.max_length, predict.doc_stride);
            let train = self.file(&format!("{table}.train"), &section.train)?;
            let weights = self.models[model].weights;
            let inputs = vec![self.input(Role::Model, (weights, None)), self.input(Role::Train, train)];
            let title = format!("{model} for {name}, seed {}", seed.0);
            let finetune = self.stage(title, Work::Finetune(settings), inputs);
            for (language, file) in &evaluations {
                let evaluate = self.file(&format!("{table}.evaluate"), file)?;
                let title = format!("{model} on {name} ({language}), seed {}", seed.0);
                let inputs = vec![
                    self.input(Role::Model, (finetune, None)),
                    self.input(Role::Evaluate, evaluate.clone()),
                ];
                let answers = self.stage(title.clone(), Work::Predict(predict.clone()), inputs);
                let inputs = vec![
                    self.input(Role::Predictions, (answers, None)),
                    self.input(Role::Evaluate, evaluate),
                ];
                let rules = ScoreSettings { task: section.kind.clone() };
                let score = self.stage(title, Work::Score(rules), inputs);
                let published =
                    |own: &Option<String>, name: &str| own.clone().unwrap_or_else(|| name.to_owned());
                self.plan.cells.push(Cell {
                    model: model.clone(),
                    published_model: published(&experiment.models[model].published, model),
                    task: name.to_owned(),
                    published_task: published(&section.published, name),
                    language: language.clone(),
                    seed,
                    protocol: protocol.clone(),
                    finetune,
                    predict: answers,
                    score,
                });
            }
        }
        Ok(())
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

    /// The stage that brings the file that `text` refers to, and the file's name in its output.
    fn file(&mut self, key: &str, text: &str) -> Result<(usize, Option<String>), ExperimentError> {
        let experiment = self.experiment;
        match Source::parse(text, self.folder()) {
            Some(Source::Path(path)) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                Ok((self.copy(text, &path)?, name))
            }
            Some(Source::Named { name, file }) if experiment.data.contains_key(&name) => {
                let generator = &experiment.data[&name].generate;
                if generator != "miniature" {
                    let found = format!("`{generator}`");
                    return Err(experiment.wrong(&format!("data.{name}.generate"), "`miniature`", found));
                }
                let settings = experiment.miniature_settings(&name)?;
                Ok((self.stage(name, Work::Miniature(settings), Vec::new()), Some(file)))
            }
            Some(Source::Named { name, file }) => {
                let entry = self.entry(key, &name)?;
                let Some(known) = entry.files.iter().find(|known| known.path == file) else {
                    let names: Vec<_> = entry.files.iter().map(|file| file.path.clone()).collect();
                    return Err(self.no_such(key, &format!("file of {name} in the lock"), &file, &names));
                };
                let known = vec![known.clone()];
                Ok((self.fetch(text.to_owned(), entry, known), Some(file)))
            }
            None => Err(experiment.wrong(
                key,
                "`NAME:FILE`, with NAME a [data.NAME] of this file or an entry of datasets.lock, \
                 or a path that starts with `./`, `../` or `/`",
                format!("`{text}`"),
            )),
        }
    }

    fn fetch(&mut self, title: String, entry: &CatalogueEntry, files: Vec<KnownFile>) -> usize {
        let (name, version) = (entry.name.clone(), entry.version.clone());
        self.stage(title, Work::Fetch(Fetched { name, version, files }), Vec::new())
    }

    fn copy(&mut self, title: &str, path: &Path) -> Result<usize, ExperimentError> {
        let files =
            local_files(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        Ok(self.stage(title.to_owned(), Work::Copy(Copied { from: path.to_owned(), files }), Vec::new()))
    }

    fn entry<'b>(&self, key: &str, name: &str) -> Result<&'b CatalogueEntry, ExperimentError>
    where
        Self: 'b,
    {
        let catalogue = self.catalogue;
        catalogue.find(name).ok_or_else(|| {
            let mut names = catalogue.names();
            names.extend(self.experiment.data.keys().cloned());
            self.no_such(key, "entry of datasets.lock", name, &names)
        })
    }

    fn no_such(&self, key: &str, what: &str, found: &str, known: &[String]) -> ExperimentError {
        let known = match nearest(found, known) {
            Some(near) => format!("the nearest is `{near}`"),
            None => format!("there is {}", known.join(", ")),
        };
        self.experiment.wrong(key, &format!("the name of a {what} ({known})"), format!("`{found}`"))
    }

    fn folder(&self) -> &Path {
        self.experiment.path.parent().unwrap_or(Path::new("."))
    }
}
