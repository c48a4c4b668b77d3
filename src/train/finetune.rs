//! Fine-tuning on extractive question answering, from a model folder to a model folder.

use std::path::Path;

use tch::Device;

use super::run::{self, Plan, Session};
use super::settings::FinetuneSettings;
use super::spans::{SpanObjective, SpanSteps};
use super::{TrainError, identity};
use crate::corpus::QaDataset;
use crate::model::{GlobalPolicy, Head, QuestionAnswering};
use crate::text::Tokenizer;
use crate::text::windows;

/// What fine-tuning reads.
pub struct FinetuneInputs<'a> {
    /// A model folder: config, weights (of any head), tokenizer.
    pub model: &'a Path,
    /// Questions with answers.
    pub train: &'a QaDataset,
    /// The file they were read from.
    pub train_file: &'a Path,
}

/// Fine-tunes the model in `inputs.model` and saves the result as a model folder at `output`.
///
/// The answer head is new, drawn from the seed. Checkpoints, `metrics.jsonl` and TensorBoard events
/// go to `work`; the same call with the same `work` goes on where an earlier one stopped.
pub fn run(
    inputs: &FinetuneInputs,
    settings: &FinetuneSettings,
    work: &Path,
    output: &Path,
    device: Device,
    session: &mut Session,
) -> Result<(), TrainError> {
    settings.validate()?;
    let tokenizer = Tokenizer::from_folder(inputs.model)?;
    let head = Head::FromSeed(settings.optimization.seed);
    let model =
        QuestionAnswering::load(inputs.model, head, device)?.with_precision(settings.optimization.precision);
    tokenizer.check_vocabulary_size(model.config().vocab_size as usize, inputs.model)?;
    model.config().check_length(settings.max_length)?;

    let windows = windows::of_dataset(inputs.train, &tokenizer, &settings.windows())?;
    // Without any answer a model would be taught that there never is one.
    if windows.iter().all(|window| window.answer.is_none()) {
        let what = inputs.train_file.display().to_string();
        return Err(TrainError::Empty { what, unit: "question with an answer" });
    }
    let mut steps = SpanSteps::new(&windows, GlobalPolicy::of(model.config()), settings);
    let plan = Plan {
        optimization: settings.optimization.clone(),
        max_steps: steps.max_steps(),
        eval_steps: 0,
        identity: identity::of_run("finetune", settings, &[inputs.model, inputs.train_file])?,
    };
    let objective = SpanObjective { model };
    run::run(&objective, move |step| Ok(steps.at(step)), &plan, work, session)?;

    objective.model.save(output)?;
    Ok(tokenizer.save_to(output, settings.max_length)?)
}
