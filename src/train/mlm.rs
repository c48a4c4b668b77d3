//! The masked-language-model objective over equally long token blocks.

use std::f64::consts::LN_2;

use tch::{Device, Kind, TchError, Tensor};

use super::TrainError;
use super::hand_out::Arguments;
use super::order::Order;
use super::run::{Backward, Objective, Step};
use super::settings::PretrainSettings;
use crate::interrupt::Interrupt;
use crate::model::{Argument, Batch, MaskedLm, MaskedPositions, Mode, Parameters, Positions, Sequence};
use crate::text::{BlockFile, MaskedBlock, MaskingVocabulary, masking};

/// Masked blocks of one forward pass, on the host.
#[derive(Debug)]
pub struct MlmMicroBatch {
    batch: Batch,
    masked: MaskedPositions,
}

impl MlmMicroBatch {
    /// Lays blocks end to end, numbered as the model wants.
    pub fn of_blocks(blocks: &[MaskedBlock], positions: Positions) -> Result<Self, TrainError> {
        let (mut rows, mut places, mut labels) = (Vec::with_capacity(blocks.len()), vec![], vec![]);
        let mut row_start = 0;
        for block in blocks {
            rows.push(Sequence {
                input_ids: block.input_ids.iter().map(|&id| id.into()).collect(),
                global: Vec::new(),
                second_segment: None,
            });
            places.extend(block.positions.iter().map(|&position| row_start + position as i64));
            labels.extend(block.labels.iter().map(|&id| i64::from(id)));
            row_start += block.input_ids.len() as i64;
        }
        let batch = Batch::of_sequences(&rows, positions)?;
        Ok(Self { batch, masked: MaskedPositions::new(&places, &labels)? })
    }

    /// Tokens to predict.
    pub fn terms(&self) -> usize {
        self.masked.len() as usize
    }

    fn to_device(&self, device: Device) -> Result<Self, TchError> {
        Ok(Self { batch: self.batch.to_device(device)?, masked: self.masked.to_device(device)? })
    }
}

impl Arguments for MlmMicroBatch {
    /// As `…ForMaskedLM` takes them.
    fn arguments(&self, padding_id: i64) -> Result<Vec<Argument>, TrainError> {
        let mut arguments = self.batch.arguments(padding_id)?;
        arguments.push(self.batch.masked_labels(&self.masked)?);
        Ok(arguments)
    }
}

/// Sequences for pretraining: which blocks, masked how, at which step.
pub struct MlmSteps<'a> {
    blocks: &'a BlockFile,
    vocabulary: MaskingVocabulary,
    positions: Positions,
    settings: &'a PretrainSettings,
    order: Order,
}

impl<'a> MlmSteps<'a> {
    /// All blocks of a file, in the order that the seed gives; `positions` is how the model numbers tokens.
    pub fn new(
        blocks: &'a BlockFile,
        vocabulary: MaskingVocabulary,
        positions: Positions,
        settings: &'a PretrainSettings,
    ) -> Self {
        let order = Order::new(blocks.len(), settings.optimization.seed);
        Self { blocks, vocabulary, positions, settings, order }
    }

    /// The data of optimizer step `step`, counted from 0.
    pub fn at(&mut self, step: u64) -> Result<Step<MlmMicroBatch>, TrainError> {
        let optimization = &self.settings.optimization;
        let size = optimization.batch_size() as u64;
        let draws = self.order.draws(step * size, (step + 1) * size);
        let masking = self.settings.masking();
        let masked: Vec<_> = draws
            .iter()
            .map(|draw| {
                let block = self.blocks.block(draw.example);
                let index = draw.example as u64;
                masking::for_training(
                    &block,
                    &self.vocabulary,
                    &masking,
                    optimization.seed,
                    draw.epoch,
                    index,
                )
            })
            .collect();
        let passes = masked.chunks(optimization.per_device_train_batch_size);
        let micro_batches = passes.map(|blocks| MlmMicroBatch::of_blocks(blocks, self.positions));
        let micro_batches = micro_batches.collect::<Result<Vec<_>, _>>()?;
        Ok(Step {
            terms: micro_batches.iter().map(MlmMicroBatch::terms).sum(),
            tokens: masked.iter().map(|block| block.input_ids.len()).sum(),
            micro_batches,
        })
    }
}

/// A masked language model and the held-out blocks that it is evaluated on.
pub struct MlmObjective {
    /// The model in training.
    pub model: MaskedLm,
    evaluation: Vec<MlmMicroBatch>,
}

impl MlmObjective {
    /// Masks the evaluation blocks once, so that every evaluation asks the same questions.
    pub fn new(
        model: MaskedLm,
        evaluation: &BlockFile,
        vocabulary: &MaskingVocabulary,
        settings: &PretrainSettings,
    ) -> Result<Self, TrainError> {
        let seed = settings.optimization.seed;
        let masked: Vec<_> = (0..evaluation.len())
            .map(|index| {
                let block = evaluation.block(index);
                masking::for_evaluation(&block, vocabulary, &settings.masking(), seed, index as u64)
            })
            .collect();
        let positions = model.config().positions();
        let passes = masked.chunks(settings.per_device_eval_batch_size);
        let evaluation =
            passes.map(|blocks| MlmMicroBatch::of_blocks(blocks, positions)).collect::<Result<_, _>>()?;
        Ok(Self { model, evaluation })
    }
}

impl Objective for MlmObjective {
    type MicroBatch = MlmMicroBatch;

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn learn(&self, micro_batch: &MlmMicroBatch, backward: Backward) -> Result<(), TrainError> {
        let MlmMicroBatch { batch, masked } = micro_batch.to_device(self.parameters().device())?;
        let (loss, tape) = self.model.training_loss_sum(&batch, &masked)?;
        backward(&loss)?;
        Ok(tape.backward()?)
    }

    /// `eval_loss`, the mean cross-entropy in nats, and `bits_per_character` as the Longformer
    /// paper names it: loss / ln 2, per token.
    fn evaluate(&self, interrupt: &Interrupt) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let terms: usize = self.evaluation.iter().map(MlmMicroBatch::terms).sum();
        if terms == 0 {
            return Ok(Vec::new());
        }
        let device = self.parameters().device();
        let mut sum = Tensor::f_zeros([], (Kind::Double, device))?;
        for micro_batch in self.evaluation.iter().filter(|batch| batch.terms() > 0) {
            interrupt.check()?;
            let MlmMicroBatch { batch, masked } = micro_batch.to_device(device)?;
            let loss = tch::no_grad(|| self.model.loss_sum(&batch, &masked, Mode::Evaluate))?;
            let _same = sum.f_add_(&loss)?;
        }
        let loss = sum.f_double_value(&[])? / terms as f64;
        Ok(vec![("eval_loss", loss), ("bits_per_character", loss / LN_2)])
    }
}
