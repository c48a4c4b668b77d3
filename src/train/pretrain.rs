//! Continued masked-language-model pretraining, from a model folder to a model folder.

use std::path::Path;

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
    check_blocks(inputs, settings)?;
    let tokenizer = Tokenizer::from_folder(inputs.model)?;
    let vocabulary = MaskingVocabulary::from(&tokenizer);
    settings.optimization.precision.settle_tf32()?;
    let model = MaskedLm::load_or_draw_head(inputs.model, settings.optimization.seed, device)?
        .with_precision(settings.optimization.precision)
        .with_activations(settings.optimization.activations());
    tokenizer.check_vocabulary_size(model.config().vocab_size as usize, inputs.model)?;
    model.config().check_length(settings.model_max_length)?;

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

fn check_blocks(inputs: &PretrainInputs, settings: &PretrainSettings) -> Result<(), TrainError> {
    for blocks in [inputs.train, inputs.evaluation] {
        if blocks.block_length() != settings.model_max_length {
            return Err(TrainError::Setting {
                key: "model_max_length",
                expected: format!("{}, as in {}", blocks.block_length(), blocks.path().display()),
                found: settings.model_max_length.to_string(),
            });
        }
    }
    if inputs.train.is_empty() {
        return Err(TrainError::Empty {
            what: inputs.train.path().display().to_string(),
            unit: "block of model_max_length tokens",
        });
    }
    Ok(())
}
