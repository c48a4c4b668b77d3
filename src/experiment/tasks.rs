//! Tasks as stages: a model is trained on a task's questions, answers others, and is scored.

use std::collections::HashSet;

use super::ExperimentError;
use super::expand::Builder;
use super::file::{Evaluate, TaskSection};
use super::plan::Cell;
use super::stage::{Role, Work};
use super::works::{Answering, Finetuning, Preparing, Scoring};
use crate::corpus::{KeptQuestions, Reading, Task, tydiqa};
use crate::model::Attention;
use crate::qa::predict::PredictSettings;
use crate::random::Seed;
use crate::text::{Protocol, Slices};
use crate::train::settings::FinetuneSettings;

/// The questions of one number of the table.
pub(super) struct Evaluation {
    /// The file, as the experiment file names it.
    pub(super) file: String,
    pub(super) language: String,
    pub(super) context_language: Option<String>,
}

/// The questions that a task is trained on.
pub(super) struct TrainingQuestions<'e> {
    /// The file, as the experiment file names it.
    pub(super) name: &'e str,
    /// The stage that brings it, and its path there.
    pub(super) source: (usize, Option<String>),
    pub(super) reading: Reading,
}

/// What stands for the language of the questions, and of the contexts, in a pattern of file names.
const LANGUAGE: &str = "{language}";
const CONTEXT_LANGUAGE: &str = "{context_language}";

/// One model on one task with one seed.
#[derive(Clone, Copy)]
struct Case<'e> {
    model: &'e str,
    task: &'e str,
    kind: Task,
    seed: Seed,
}

/// How a model is trained for a task.
struct Training<'e> {
    /// The task whose tables say it: the task itself, or the one that its `trained_in` names.
    task: &'e str,
    /// What the training questions are.
    kind: Task,
    settings: FinetuneSettings,
}

impl<'a> Builder<'a> {
    /// Adds every model's stages and cells of the task `name`, trained with `seed`.
    pub(super) fn task(&mut self, name: &'a str, seed: Seed) -> Result<(), ExperimentError> {
        let section = &self.experiment.tasks[name];
        if section.seeds.as_ref().is_some_and(|seeds| !seeds.contains(&seed)) {
            return Ok(());
        }
        let kind = self.kind(&format!("tasks.{name}.kind"), &section.kind)?;
        self.joins(name, kind)?;
        let evaluations = self.evaluations(name, kind)?;
        for model in &section.models {
            if !self.experiment.models.contains_key(model) {
                let known = &self.experiment.model_order;
                return Err(self.no_such(&format!("tasks.{name}.models"), "model", model, known));
            }
            self.case(Case { model, task: name, kind, seed }, &evaluations)?;
        }
        Ok(())
    }

    /// Refuses settings of joined contexts where neither evaluation nor training joins any.
    fn joins(&self, name: &str, kind: Task) -> Result<(), ExperimentError> {
        let section = &self.experiment.tasks[name];
        let train_kind = section.train_kind.as_deref().and_then(|text| text.parse::<Task>().ok());
        if kind.joins_contexts() || train_kind.is_some_and(Task::joins_contexts) {
            return Ok(());
        }
        let given = [("n_concat", section.n_concat.is_some()), ("kept", section.kept.is_some())];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => {
                let expected = "nothing, as only sq3 and xq3 join contexts";
                Err(self.experiment.wrong(
                    &format!("tasks.{name}.{key}"),
                    expected,
                    format!("a task of kind {kind}"),
                ))
            }
            None => Ok(()),
        }
    }

    fn case(&mut self, case: Case, evaluations: &[Evaluation]) -> Result<(), ExperimentError> {
        let experiment = self.experiment;
        let Case { model, task, kind, seed } = case;
        let section = &experiment.tasks[task];
        let training = self.training(case)?;
        let predict = experiment.predict_settings(task, model, &training.settings)?;
        for length in [training.settings.max_length, predict.max_length] {
            self.fits(&format!("tasks.{task}.max_length"), model, self.models[model], length)?;
        }
        let protocol = protocol_text(kind, section, &experiment.tasks[training.task], &training, &predict);
        let finetune = self.finetuning(model, &training)?;
        let published = |own: &Option<String>, name: &str| own.clone().unwrap_or_else(|| name.to_owned());
        for evaluation in evaluations {
            let (answers, score) = self.scoring(case, evaluation, finetune, &predict)?;
            self.plan.cells.push(Cell {
                model: model.to_owned(),
                published_model: published(&experiment.models[model].published, model),
                base_model: experiment.base_of(model),
                task: task.to_owned(),
                kind,
                published_task: published(&section.published, task),
                evaluated_on: evaluation.file.clone(),
                language: evaluation.language.clone(),
                context_language: evaluation.context_language.clone(),
                seed,
                rules: predict.protocol,
                max_length: predict.max_length,
                attention: training.settings.attention,
                protocol: protocol.clone(),
                finetune,
                predict: answers,
                score,
            });
        }
        Ok(())
    }

    fn training(&self, case: Case<'a>) -> Result<Training<'a>, ExperimentError> {
        let (task, kind) = self.trained_in(case.task, case.kind)?;
        let settings = self.experiment.finetune_settings(task, kind, case.model, case.seed)?;
        Ok(Training { task, kind, settings })
    }

    /// The task whose tables say how the models of the task `name` are trained, and what the training
    /// questions are.
    pub(super) fn trained_in(&self, name: &'a str, kind: Task) -> Result<(&'a str, Task), ExperimentError> {
        let experiment = self.experiment;
        let own = &experiment.tasks[name];
        let (task, kind) = match &own.trained_in {
            None => (name, kind),
            Some(other) => {
                let key = format!("tasks.{name}.trained_in");
                let Some(section) = experiment.tasks.get(other) else {
                    return Err(self.no_such(&key, "task", other, &experiment.task_order));
                };
                if section.trained_in.is_some() {
                    let found = format!("`{other}`, which is trained in another itself");
                    return Err(experiment.wrong(&key, "a task with a training of its own", found));
                }
                let said = own.train.is_some() || own.train_kind.is_some() || own.train_language.is_some();
                if said || !own.own.is_empty() || !own.finetune.is_empty() {
                    let found = "settings of another one beside it".to_owned();
                    return Err(experiment.wrong(&key, "to be all that is said of training", found));
                }
                (other.as_str(), self.kind(&format!("tasks.{other}.kind"), &section.kind)?)
            }
        };
        let kind = match &experiment.tasks[task].train_kind {
            Some(text) => self.kind(&format!("tasks.{task}.train_kind"), text)?,
            None => trained_as(kind),
        };
        Ok((task, kind))
    }

    /// The training questions of `task`, which has a training of its own.
    pub(super) fn training_questions(
        &mut self,
        task: &str,
        kind: Task,
    ) -> Result<TrainingQuestions<'a>, ExperimentError> {
        let experiment = self.experiment;
        let section = &experiment.tasks[task];
        let key = format!("tasks.{task}.train");
        let Some(name) = &section.train else {
            return Err(experiment.wrong(&key, "a file of training questions", "nothing"));
        };
        let source = self.questions(&key, name, kind)?;
        let reading = reading(section, kind, section.train_language.clone(), None);
        Ok(TrainingQuestions { name, source, reading })
    }

    /// The stage that trains `model`.
    fn finetuning(&mut self, model: &str, training: &Training) -> Result<usize, ExperimentError> {
        let Training { task, kind, settings } = training;
        let planned = self.models[model];
        let TrainingQuestions { name, source, reading } = self.training_questions(task, *kind)?;
        let train = self.input(Role::Train, source);
        let mut inputs = vec![self.input(Role::Model, (planned.weights, None)), train.clone()];
        if *kind == Task::TriviaQa {
            let preparing = Preparing::of(settings);
            let preparing = self.experiment.checked(&format!("tasks.{task}"), preparing)?;
            let title = format!("{name}, sequences of up to {} tokens", settings.max_length);
            let sources = vec![self.input(Role::Tokenizer, (planned.tokenizer, None)), train];
            let examples = self.stage(title, Work::Prepare(preparing), sources);
            inputs.push(self.input(Role::Examples, (examples, None)));
        }
        let title = format!("{model} for {task}, seed {}", settings.optimization.seed.0);
        let finetuning = Finetuning { settings: settings.clone(), questions: reading };
        Ok(self.stage(title, Work::Finetune(finetuning), inputs))
    }

    /// The stages that answer and score one set of questions.
    fn scoring(
        &mut self,
        case: Case,
        evaluation: &Evaluation,
        finetune: usize,
        predict: &PredictSettings,
    ) -> Result<(usize, usize), ExperimentError> {
        let Case { model, task, kind, seed } = case;
        let file = self.questions(&format!("tasks.{task}.evaluate"), &evaluation.file, kind)?;
        let evaluate = self.input(Role::Evaluate, file);
        let Evaluation { language, context_language, .. } = evaluation;
        let section = &self.experiment.tasks[task];
        let asked = reading(section, kind, Some(language.clone()), context_language.clone());
        let about = |language: &str| format!("{model} on {task}{language}, seed {}", seed.0);
        let shown = match context_language {
            Some(context) if context != language => format!(" ({language} about {context})"),
            _ => format!(" ({language})"),
        };
        let together = answered(section, &asked);
        let title = if together == asked { about(&shown) } else { about("") };
        let inputs = vec![self.input(Role::Model, (finetune, None)), evaluate.clone()];
        let answering = Answering { settings: predict.clone(), questions: together };
        let answers = self.stage(title, Work::Predict(answering), inputs);
        let inputs = vec![self.input(Role::Predictions, (answers, None)), evaluate];
        let scoring = Scoring { questions: asked, protocol: predict.protocol };
        Ok((answers, self.stage(about(&shown), Work::Score(scoring), inputs)))
    }

    pub(super) fn kind(&self, key: &str, text: &str) -> Result<Task, ExperimentError> {
        let expected = format!("one of {}", Task::ALL.map(Task::name).join(", "));
        text.parse().map_err(|_| self.experiment.wrong(key, &expected, format!("`{text}`")))
    }

    pub(super) fn questions(
        &mut self,
        key: &str,
        text: &str,
        kind: Task,
    ) -> Result<(usize, Option<String>), ExperimentError> {
        match kind {
            Task::TriviaQa => self.file_with_evidence(key, text),
            _ => self.file(key, text),
        }
    }

    pub(super) fn evaluations(&self, name: &str, kind: Task) -> Result<Vec<Evaluation>, ExperimentError> {
        let section = &self.experiment.tasks[name];
        let wrong = |key: &str, expected: &str, found: String| {
            Err(self.experiment.wrong(&format!("tasks.{name}.{key}"), expected, found))
        };
        let mut seen = HashSet::new();
        for language in section.languages.iter().chain(&section.context_languages) {
            if kind == Task::TydiQa && language.parse::<tydiqa::Language>().is_err() {
                return wrong("languages", "languages of TyDi QA's gold passages", format!("`{language}`"));
            }
        }
        if let Some(twice) = section.languages.iter().find(|language| !seen.insert(*language)) {
            return wrong("languages", "each language once", format!("`{twice}` twice"));
        }
        let pattern = match &section.evaluate {
            Evaluate::Each(files) => {
                let each = |(language, file): (&String, &String)| Evaluation {
                    file: file.clone(),
                    language: language.clone(),
                    context_language: (kind == Task::Mlqa).then(|| language.clone()),
                };
                return Ok(files.iter().map(each).collect());
            }
            Evaluate::One(pattern) => pattern,
        };
        let languages = match (&section.languages[..], kind) {
            ([], Task::TydiQa) => tydiqa::Language::ALL.map(|language| language.code().to_owned()).into(),
            ([], _) => vec![section.language.clone()],
            (given, _) => given.to_vec(),
        };
        if languages.len() > 1 && kind != Task::TydiQa && !pattern.contains(LANGUAGE) {
            let expected = format!("a file name with {LANGUAGE} in it, for there are several languages");
            return wrong("evaluate", &expected, format!("`{pattern}`"));
        }
        let mut evaluations = Vec::new();
        for context in context_choices(section) {
            for language in &languages {
                let context_language = context.clone().unwrap_or_else(|| language.clone());
                evaluations.push(Evaluation {
                    file: pattern.replace(CONTEXT_LANGUAGE, &context_language).replace(LANGUAGE, language),
                    language: language.clone(),
                    context_language: (kind == Task::Mlqa).then_some(context_language),
                });
            }
        }
        Ok(evaluations)
    }
}

/// How a task's questions are read. What a file's questions are does not depend on the name of a language
/// that it does not hold, and neither should a stage's key.
pub(super) fn reading(
    section: &TaskSection,
    task: Task,
    language: Option<String>,
    context_language: Option<String>,
) -> Reading {
    let mut reading = Reading::of(task);
    if matches!(task, Task::Mlqa | Task::TydiQa) {
        (reading.language, reading.context_language) = (language, context_language);
    }
    if task.joins_contexts() {
        reading.n_concat = section.n_concat.unwrap_or(reading.n_concat);
        reading.kept = section.kept.unwrap_or(reading.kept);
    }
    reading
}

/// What is answered at once: one file has the questions of all of TyDi QA's languages, unless the task is
/// about one alone.
pub(super) fn answered(section: &TaskSection, asked: &Reading) -> Reading {
    match asked.task {
        Task::TydiQa if section.languages.len() != 1 => Reading { language: None, ..asked.clone() },
        _ => asked.clone(),
    }
}

/// Each language of contexts, or none: that of the questions.
fn context_choices(section: &TaskSection) -> Vec<Option<String>> {
    if section.context_languages.is_empty() {
        return vec![None];
    }
    section.context_languages.iter().cloned().map(Some).collect()
}

/// What the training questions of a task are, if its table does not say.
fn trained_as(kind: Task) -> Task {
    match kind {
        Task::Squad | Task::Xquad | Task::Mlqa => Task::Squad,
        Task::Sq3 | Task::Xq3 => Task::Sq3,
        Task::TydiQa => Task::TydiQa,
        Task::TriviaQa => Task::TriviaQa,
    }
}

fn protocol_text(
    kind: Task,
    section: &TaskSection,
    trained: &TaskSection,
    training: &Training,
    predict: &PredictSettings,
) -> String {
    let length = predict.max_length;
    let mut text = match (predict.protocol, kind, predict.slices) {
        (Protocol::Sagen2021, ..) => format!("{} {length}", predict.protocol),
        (Protocol::Standard, Task::TriviaQa, Slices::First) => format!("standard {length}, first slice"),
        (Protocol::Standard, ..) => format!("standard {length}/{}", predict.doc_stride),
    };
    if let (true, Some(n_concat)) = (kind.joins_contexts(), section.n_concat) {
        text.push_str(&format!(", {n_concat} joined"));
    }
    if let (true, Some(KeptQuestions::All)) = (kind.joins_contexts(), section.kept) {
        text.push_str(", all questions");
    }
    if let Some(language) = &trained.train_language {
        text.push_str(&format!(", trained on {language}"));
    }
    if training.settings.attention == Attention::Dense {
        text.push_str(", dense");
    }
    text
}
