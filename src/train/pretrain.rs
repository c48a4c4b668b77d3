//! Continued masked-language-model pretraining, from a model folder to a model folder.

use std::path::Path;

use super::hand_out::{self, HandedOut, MODEL_FOLDER};
use super::micro_batch::{self, MicroBatch};
use super::mlm::{MlmObjective, MlmSteps};
use super::run::{self, Plan, Session};
use super::settings::PretrainSettings;
use super::{TrainError, identity};
use crate::model::{MaskedLm, convert};
use crate::text::{BlockFile, MaskingVocabulary, Tokenizer};
use tch::Device;

/// What pretraining reads.
pub struct PretrainInputs<'a> {
    /// A model folder: config, weights, tokenizer.
    pub model: &'a Path,
    /// Blocks to train on, of `model_max_length` tokens.
    pub train: &'a BlockFile,
    /// Blocks to evaluate on, of the same length; there may be none.
    pub evaluation: &'a BlockFile,
}

/// Pretrains the model in `inputs.model` and saves the result as a model folder at `output`. A model
/// without the head for it gets one drawn from the seed.
///
/// Checkpoints, `metrics.jsonl` and TensorBoard events go to `work`; the same call with the same
/// `work` goes on where an earlier one stopped. After the last step the local q/k/v projections are
/// copied into the global ones again (`copy_proj_layers`), which MLM never trains.
pub fn run(
    inputs: &PretrainInputs,
    settings: &PretrainSettings,
    work: &Path,
    output: &Path,
    device: Device,
    session: &mut Session,
) -> Result<(), TrainError> {
    settings.validate()?;
    check_length(inputs.evaluation, settings)?;
    let (tokenizer, model) = open(inputs.model, inputs.train, settings, device)?;
    let vocabulary = MaskingVocabulary::from(&tokenizer);
    let positions = model.config().positions();
    let objective = MlmObjective::new(model, inputs.evaluation, &vocabulary, settings)?;
    let settings = &match settings.micro_batch {
        MicroBatch::Fixed => settings.clone(),
        MicroBatch::Auto => {
            let first_pass = |optimization| {
                let divided = PretrainSettings { optimization, ..settings.clone() };
                let step = MlmSteps::new(inputs.train, vocabulary, positions, &divided).at(0)?;
                Ok(step.micro_batches.into_iter().next())
            };
            let optimization = micro_batch::settle(&settings.optimization, work, || {
                micro_batch::search(&objective, &settings.optimization, first_pass)
            })?;
            PretrainSettings { optimization, micro_batch: MicroBatch::Fixed, ..settings.clone() }
        }
    };
    let plan = Plan {
        optimization: settings.optimization.clone(),
        max_steps: settings.max_steps,
        eval_steps: settings.eval_steps,
        identity: identity::of_run(
            "pretrain",
            settings,
            &[inputs.model, inputs.train.path(), inputs.evaluation.path()],
        )?,
    };
    let mut steps = MlmSteps::new(inputs.train, vocabulary, positions, settings);
    run::run(&objective, move |step| steps.at(step), &plan, work, session)?;

    if settings.copy_proj_layers {
        convert::copy_projections(objective.model.parameters());
    }
    objective.model.save(output)?;
    Ok(tokenizer.save_to(output, settings.model_max_length)?)
}

/// Writes what [`run()`] begins with and learns from in its first `steps` steps into the folder `output`: see
/// [`hand_out()`]. The loss of a step is the mean over its masked tokens.
pub fn hand_out(
    model: &Path,
    train: &BlockFile,
    settings: &PretrainSettings,
    steps: u64,
    output: &Path,
) -> Result<HandedOut, TrainError> {
    settings.validate()?;
    let (tokenizer, model) = open(model, train, settings, Device::Cpu)?;
    let folder = output.join(MODEL_FOLDER);
    model.save(&folder)?;
    tokenizer.save_to(&folder, settings.model_max_length)?;
    let vocabulary = MaskingVocabulary::from(&tokenizer);
    let mut data = MlmSteps::new(train, vocabulary, model.config().positions(), settings);
    hand_out::write_batches((0..steps).map(|step| data.at(step)), model.config().pad_token_id, output)?;
    Ok(HandedOut { sequences: train.len(), sequences_per_step: settings.optimization.batch_size() })
}

/// The model to begin with and its tokenizer, which fit each other, the settings and the blocks.
fn open(
    folder: &Path,
    train: &BlockFile,
    settings: &PretrainSettings,
    device: Device,
) -> Result<(Tokenizer, MaskedLm), TrainError> {
    check_length(train, settings)?;
    if train.is_empty() {
        return Err(TrainError::Empty {
            what: train.path().display().to_string(),
            unit: "block of model_max_length tokens",
        });
    }
    let tokenizer = Tokenizer::from_folder(folder)?;
    settings.optimization.precision.settle_tf32()?;
    let model = MaskedLm::load_or_draw_head(folder, settings.optimization.seed, device)?
        .with_precision(settings.optimization.precision)
        .with_activations(settings.optimization.activations());
    tokenizer.check_vocabulary_size(model.config().vocab_size as usize, folder)?;
    model.config().check_length(settings.model_max_length)?;
    Ok((tokenizer, model))
}

fn check_length(blocks: &BlockFile, settings: &PretrainSettings) -> Result<(), TrainError> {
    if blocks.block_length() == settings.model_max_length {
        return Ok(());
    }
    Err(TrainError::Setting {
        key: "model_max_length",
        expected: format!("{}, as in {}", blocks.block_length(), blocks.path().display()),
        found: settings.model_max_length.to_string(),
    })
}
