//! Fine-tuning on extractive question answering, from a model folder to a model folder.

use std::path::Path;

use serde::Serialize;
use tch::Device;

use super::documents::{DocumentObjective, DocumentSteps};
use super::hand_out::{self, HandedOut, MODEL_FOLDER};
use super::run::{self, Plan, Session};
use super::settings::FinetuneSettings;
use super::spans::{SpanExample, SpanObjective, SpanSteps};
use super::{TrainError, identity};
use crate::corpus::{QaDataset, Reading};
use crate::digest::Digest;
use crate::model::{Head, QuestionAnswering};
use crate::text::{Case, Protocol, Tokenizer, Truncated, Window, examples, truncated, windows};

/// What fine-tuning reads.
pub struct FinetuneInputs<'a> {
    /// A model folder: config, weights (of any head), tokenizer.
    pub model: &'a Path,
    /// Questions with answers.
    pub train: &'a QaDataset,
    /// The file they were read from.
    pub train_file: &'a Path,
    /// How they were read: the same file read otherwise is another run.
    pub questions: &'a Reading,
}

/// What a run is told, for its identity.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    settings: &'a FinetuneSettings,
    questions: &'a Reading,
}

/// What fine-tuning on TriviaQA reads.
pub struct TriviaInputs<'a> {
    /// A model folder: config, weights (of any head), tokenizer.
    pub model: &'a Path,
    /// A `qa/*.json` with answers, `evidence/` beside its folder.
    pub train_file: &'a Path,
    /// Where training examples are kept between runs; seeds of one experiment can share them.
    pub examples: &'a Path,
}

/// Fine-tunes the model in `inputs.model` and saves the result as a model folder at `output`.
///
/// The answer head is new, drawn from the seed. The ids of questions that the protocol leaves out go to
/// `left_out.json` in `work`. Checkpoints, `metrics.jsonl` and TensorBoard events
/// go to `work`; the same call with the same `work` goes on where an earlier one stopped.
pub fn run(
    inputs: &FinetuneInputs,
    settings: &FinetuneSettings,
    work: &Path,
    output: &Path,
    device: Device,
    session: &mut Session,
) -> Result<(), TrainError> {
    let (tokenizer, model) = open(inputs.model, settings, device)?;
    let sequences = Sequences::of(inputs, settings, &tokenizer, work)?;
    let mut steps = SpanSteps::new(sequences.examples(), model.config(), tokenizer.special(), settings);
    let told = Told { settings, questions: inputs.questions };
    let identity = identity::of_run("finetune", &told, &[inputs.model, inputs.train_file])?;
    let plan = plan(settings, steps.max_steps(), identity);
    let objective = SpanObjective { model };
    run::run(&objective, move |step| steps.at(step), &plan, work, session)?;

    objective.model.save(output)?;
    Ok(tokenizer.save_to(output, settings.max_length)?)
}

/// Writes what [`run()`] begins with and learns from in its first `steps` steps into the folder `output`: see
/// [`hand_out()`]. The loss of a step is the mean over its labels, starts and ends together, and padding is no
/// place for an answer.
pub fn hand_out(
    inputs: &FinetuneInputs,
    settings: &FinetuneSettings,
    steps: u64,
    output: &Path,
) -> Result<HandedOut, TrainError> {
    let (tokenizer, model) = open(inputs.model, settings, Device::Cpu)?;
    let folder = output.join(MODEL_FOLDER);
    model.save(&folder)?;
    tokenizer.save_to(&folder, settings.max_length)?;
    let sequences = Sequences::of(inputs, settings, &tokenizer, output)?;
    let examples = sequences.examples();
    let handed_out =
        HandedOut { sequences: examples.len(), sequences_per_step: settings.optimization.batch_size() };
    let mut data = SpanSteps::new(examples, model.config(), tokenizer.special(), settings);
    hand_out::write_batches((0..steps).map(|step| data.at(step)), model.config().pad_token_id, output)?;
    Ok(handed_out)
}

/// As [`run()`], on TriviaQA's documents; `watch` is told how far the making of training examples is.
pub fn run_triviaqa(
    inputs: &TriviaInputs,
    settings: &FinetuneSettings,
    work: &Path,
    output: &Path,
    device: Device,
    session: &mut Session,
    watch: &mut dyn FnMut(examples::Progress),
) -> Result<(), TrainError> {
    let example_settings = settings.examples()?;
    let (tokenizer, model) = open(inputs.model, settings, device)?;
    let examples = examples::cached(
        inputs.examples,
        inputs.train_file,
        &tokenizer,
        &example_settings,
        session.interrupt,
        watch,
    )?;
    if examples.is_empty() {
        let what = inputs.train_file.display().to_string();
        return Err(TrainError::Empty { what, unit: "document with its question's answer in it" });
    }
    let mut steps = DocumentSteps::new(&examples, model.config(), tokenizer.special(), settings);
    let identity = identity::of_run("finetune-triviaqa", settings, &[inputs.model, examples.path()])?;
    let plan = plan(settings, steps.max_steps(), identity);
    let objective = DocumentObjective { model };
    run::run(&objective, move |step| steps.at(step), &plan, work, session)?;

    objective.model.save(output)?;
    Ok(tokenizer.save_to(output, settings.max_length)?)
}

/// The model to begin with and its tokenizer, which fit each other and the settings.
fn open(
    folder: &Path,
    settings: &FinetuneSettings,
    device: Device,
) -> Result<(Tokenizer, QuestionAnswering), TrainError> {
    settings.validate()?;
    let case = Case::of_setting(settings.do_lowercase);
    let tokenizer = Tokenizer::from_folder(folder)?.with_case(case);
    settings.optimization.precision.settle_tf32()?;
    let head = Head::FromSeed(settings.optimization.seed);
    let model = QuestionAnswering::load_attending(folder, settings.attention, head, device)?
        .with_precision(settings.optimization.precision)
        .with_activations(settings.optimization.activations());
    tokenizer.check_vocabulary_size(model.config().vocab_size as usize, folder)?;
    model.config().check_length(settings.max_length)?;
    Ok((tokenizer, model))
}

/// The sequences of a training file, as the protocol lays them out; at least one.
enum Sequences {
    Windows(Vec<Window>),
    Truncated(Vec<Truncated>),
}

impl Sequences {
    fn of(
        inputs: &FinetuneInputs,
        settings: &FinetuneSettings,
        tokenizer: &Tokenizer,
        work: &Path,
    ) -> Result<Self, TrainError> {
        // Without any answer a model would be taught that there never is one.
        if inputs.train.questions.iter().all(|question| question.answers.is_empty()) {
            return Err(nothing_to_learn(inputs, "question with an answer"));
        }
        let sequences = match settings.protocol {
            Protocol::Standard => {
                Self::Windows(windows::of_dataset(inputs.train, tokenizer, &settings.windows())?)
            }
            Protocol::Sagen2021 => {
                let truncated = truncated::of_dataset(inputs.train, tokenizer, settings.max_length)?;
                report_left_out(inputs, &truncated.left_out, work)?;
                Self::Truncated(truncated.sequences)
            }
        };
        if sequences.examples().is_empty() {
            return Err(nothing_to_learn(inputs, "question whose answer is in its tokens"));
        }
        Ok(sequences)
    }

    fn examples(&self) -> Vec<SpanExample<'_>> {
        match self {
            Self::Windows(windows) => windows.iter().map(SpanExample::of_window).collect(),
            Self::Truncated(sequences) => sequences.iter().map(SpanExample::of_truncated).collect(),
        }
    }
}

fn plan(settings: &FinetuneSettings, max_steps: u64, identity: Digest) -> Plan {
    Plan { optimization: settings.optimization.clone(), max_steps, eval_steps: 0, identity }
}

fn nothing_to_learn(inputs: &FinetuneInputs, unit: &'static str) -> TrainError {
    TrainError::Empty { what: inputs.train_file.display().to_string(), unit }
}

/// Says how many questions the protocol leaves out, and which in a file in `work`.
fn report_left_out(inputs: &FinetuneInputs, ids: &[String], work: &Path) -> Result<(), TrainError> {
    if !ids.is_empty() {
        let (file, all) = (inputs.train_file.display(), inputs.train.questions.len());
        tracing::warn!("{file}: {} of {all} questions left out: their answer is in no token", ids.len());
    }
    Ok(truncated::write_left_out(ids, work)?)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::corpus::Task;

    #[test]
    fn the_same_file_read_otherwise_is_another_run() {
        let of = |questions: &Reading, save_steps| {
            let mut settings = FinetuneSettings::default();
            settings.optimization.save_steps = save_steps;
            identity::of_run("finetune", &Told { settings: &settings, questions }, &[]).unwrap()
        };
        let three = Reading::of(Task::Sq3);
        let five = Reading { n_concat: NonZeroUsize::new(5).unwrap(), ..three.clone() };
        assert_ne!(of(&three, 1), of(&five, 1));
        assert_eq!(of(&three, 1), of(&three, 2), "how often a run saves does not count");
    }
}
