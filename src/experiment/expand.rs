//! From an experiment file to a plan: models × tasks × languages × seeds as stages.
//!
//! Models come in the file's order; then one seed after the other, so that a whole first table is
//! there early.

use std::collections::HashMap;
use std::path::Path;

use super::ExperimentError;
use super::file::{Evaluate, Experiment, ModelSection, TaskSection};
use super::keys::nearest;
use super::plan::{Cell, Plan, Pretraining};
use super::source::{as_path, file_name, local_files};
use super::stage::{BlocksSettings, Copied, Fetched, Input, Role, ScoreSettings, Stage, StageKey, Work};
use crate::corpus::Task;
use crate::fetch::{Entry, FetchError, Lock};
use crate::random::Seed;

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
struct Planned {
    /// The stage whose folder holds the model.
    weights: usize,
    /// The stage whose folder holds its tokenizer, which conversion and training do not change.
    tokenizer: usize,
    /// Tokens of its longest input, where the experiment file says so.
    longest: Option<usize>,
}

struct Builder<'a> {
    experiment: &'a Experiment,
    lock: &'a Lock,
    plan: Plan,
    places: HashMap<StageKey, usize>,
    models: HashMap<String, Planned>,
    under_way: Vec<String>,
}

impl<'a> Builder<'a> {
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
            planned.longest = usize::try_from(settings.max_position).ok();
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

    fn checkpoint(&mut self, table: &str, text: &str) -> Result<usize, ExperimentError> {
        if let Some(path) = as_path(text, self.folder()) {
            return self.copy(text, &path);
        }
        let key = format!("{table}.checkpoint");
        let entry = self.entry(&key, text)?;
        match file_name(entry) {
            None => Ok(self.fetch(entry, None)),
            Some(file) => Err(self.experiment.wrong(&key, "a folder", format!("the file {file}"))),
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
            let attention = settings.attention;
            let train = self.file(&format!("{table}.train"), &section.train)?;
            let planned = self.models[model];
            for length in [settings.max_length, predict.max_length] {
                self.fits(&format!("{table}.max_length"), model, planned, length)?;
            }
            let weights = planned.weights;
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
                    base_model: experiment.models[model].from.clone(),
                    task: name.to_owned(),
                    kind: Task::Squad,
                    evaluated_on: file.clone(),
                    context_language: None,
                    rules: predict.protocol,
                    max_length: predict.max_length,
                    attention,
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

    /// Refuses inputs that are longer than the model's: better now than after hours of pretraining.
    fn fits(&self, key: &str, model: &str, planned: Planned, length: usize) -> Result<(), ExperimentError> {
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

    /// The stage that brings the file that `text` refers to, and the file's name in its output.
    fn file(&mut self, key: &str, text: &str) -> Result<(usize, Option<String>), ExperimentError> {
        let experiment = self.experiment;
        if let Some(path) = as_path(text, self.folder()) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            return Ok((self.copy(text, &path)?, name));
        }
        if let Some((name, file)) = text.split_once('/')
            && experiment.data.contains_key(name)
        {
            return Ok((self.generated(name)?, Some(file.to_owned())));
        }
        let entry = self.entry(key, text)?;
        match file_name(entry) {
            Some(file) => Ok((self.fetch(entry, Some(file.clone())), Some(file))),
            None => Err(experiment.wrong(key, "one file", format!("the folder or archive `{text}`"))),
        }
    }

    fn generated(&mut self, name: &str) -> Result<usize, ExperimentError> {
        let generator = &self.experiment.data[name].generate;
        if generator != "miniature" {
            let key = format!("data.{name}.generate");
            return Err(self.experiment.wrong(&key, "`miniature`", format!("`{generator}`")));
        }
        let settings = self.experiment.generate_settings(name)?;
        Ok(self.stage(name.to_owned(), Work::Miniature(settings), Vec::new()))
    }

    fn fetch(&mut self, entry: &Entry, file: Option<String>) -> usize {
        let work = Fetched { name: entry.name.clone(), entry: entry.key(), file };
        self.stage(entry.name.clone(), Work::Fetch(work), Vec::new())
    }

    fn copy(&mut self, title: &str, path: &Path) -> Result<usize, ExperimentError> {
        let files =
            local_files(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        Ok(self.stage(title.to_owned(), Work::Copy(Copied { from: path.to_owned(), files }), Vec::new()))
    }

    /// The one entry of the lock that `name` stands for.
    fn entry(&self, key: &str, name: &str) -> Result<&'a Entry, ExperimentError> {
        const EXPECTED: &str = "a name in datasets.lock, a file of a [data.NAME] of this file, \
                                or a path that starts with `./`, `../` or `/`";
        match self.lock.select(&[name]) {
            Ok(found) if found.len() == 1 => Ok(found[0]),
            Ok(found) => {
                let names: Vec<_> = found.iter().map(|entry| entry.name.as_str()).collect();
                Err(self.experiment.wrong(key, "one file", format!("several: {}", names.join(", "))))
            }
            Err(FetchError::UnknownName { nearest, .. }) if !nearest.is_empty() => {
                let expected = format!("{EXPECTED} (the nearest in the lock: {})", nearest.join(", "));
                Err(self.experiment.wrong(key, &expected, format!("`{name}`")))
            }
            Err(_) => Err(self.experiment.wrong(key, EXPECTED, format!("`{name}`"))),
        }
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
