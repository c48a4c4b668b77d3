//! How many sequences one forward and backward pass takes: as set, or as many as fit on the GPU.
//!
//! Sequences per optimizer step stay what they are; only their division into passes changes. What was found
//! is kept beside the run's checkpoints, because dropout is drawn for each pass: a run that goes on, on
//! whatever device, goes on with the same division.
//!
//! The search on a GPU has not run on one yet; its parts were tried on a CPU.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::{Device, Kind, Tensor};

use super::run::Objective;
use super::settings::Optimization;
use super::{AdamW, TrainError};
use crate::durable;
use crate::native;

/// The name of the record in a run's folder.
pub const RECORD: &str = "micro_batch.json";

/// Where the number of sequences in a pass comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MicroBatch {
    /// `per_device_train_batch_size` as set.
    #[default]
    Fixed,
    /// As many as fit on the GPU; on a CPU as [`MicroBatch::Fixed`].
    Auto,
}

/// What was found, and for how many sequences per optimizer step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    per_device_train_batch_size: NonZeroUsize,
    sequences_per_step: usize,
}

/// `settings` in passes of the size that is recorded in `work`; of that which `search` finds, a divisor of the
/// sequences per optimizer step, where none is. It is then recorded.
///
/// # Errors
/// [`TrainError::Record`] if the record is damaged or is of a run with other sequences per optimizer step.
pub fn settle(
    settings: &Optimization,
    work: &Path,
    search: impl FnOnce() -> Result<usize, TrainError>,
) -> Result<Optimization, TrainError> {
    let path = work.join(RECORD);
    let size = match recorded(&path, settings.batch_size())? {
        Some(size) => {
            tracing::info!("micro_batch: {size} sequences per pass, as recorded in {}", path.display());
            size
        }
        None => {
            let size = search()?;
            let record = json!({
                "per_device_train_batch_size": size,
                "sequences_per_step": settings.batch_size(),
            });
            durable::write(&path, format!("{record:#}\n").as_bytes())?;
            tracing::info!("micro_batch: {size} sequences per pass, recorded in {}", path.display());
            size
        }
    };
    Ok(settings.in_passes_of(size))
}

fn recorded(path: &Path, sequences: usize) -> Result<Option<usize>, TrainError> {
    let wrong = |found: String| TrainError::Record {
        path: path.to_owned(),
        expected: format!("a divisor of {sequences} sequences per step"),
        found,
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrainError::Read { path: path.to_owned(), source }),
    };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let Record { per_device_train_batch_size: size, sequences_per_step } = record;
    if sequences_per_step != sequences || !sequences.is_multiple_of(size.get()) {
        return Err(wrong(format!("{size} of {sequences_per_step}")));
    }
    Ok(Some(size.get()))
}

/// The most sequences per pass that fit on the objective's device. `first_pass` gives a pass of a run with
/// other settings, none if it has none; none of the run's is larger.
pub fn search<O: Objective>(
    objective: &O,
    settings: &Optimization,
    mut first_pass: impl FnMut(Optimization) -> Result<Option<O::MicroBatch>, TrainError>,
) -> Result<usize, TrainError> {
    let Device::Cuda(gpu) = objective.parameters().device() else {
        let fixed = settings.per_device_train_batch_size;
        tracing::info!("micro_batch: no memory of a GPU to fill; {fixed} sequences per pass, as set");
        return Ok(fixed);
    };
    // The moments take their memory through the whole run.
    let _moments = AdamW::new(objective.parameters(), settings)?;
    let found = largest_that_fits(settings.batch_size(), |size| {
        let Some(pass) = first_pass(settings.in_passes_of(size))? else { return Ok(true) };
        let fits = match try_pass(objective, &pass, gpu) {
            Ok(()) => true,
            Err(error) if is_out_of_memory(&error) => false,
            Err(error) => return Err(error),
        };
        for (_, parameter) in objective.parameters().iter() {
            native::drop_gradient(parameter)?;
        }
        native::empty_cache()?;
        tracing::info!("micro_batch: {size} sequences per pass {}", if fits { "fit" } else { "do not fit" });
        Ok(fits)
    })?;
    found.ok_or(TrainError::DoesNotFit)
}

/// The largest divisor of `sequences` that `fits`, asking about few of them; none if not even 1 fits. What is
/// smaller than a number that fits is taken to fit.
fn largest_that_fits(
    sequences: usize,
    mut fits: impl FnMut(usize) -> Result<bool, TrainError>,
) -> Result<Option<usize>, TrainError> {
    let divisors: Vec<usize> = (1..=sequences).filter(|size| sequences.is_multiple_of(*size)).collect();
    // Those before `fitting` fit, those from `failing` on do not.
    let (mut fitting, mut failing) = (0, divisors.len());
    while fitting < failing {
        let middle = fitting + (failing - fitting) / 2;
        if fits(divisors[middle])? {
            fitting = middle + 1;
        } else {
            failing = middle;
        }
    }
    Ok(fitting.checked_sub(1).map(|last| divisors[last]))
}

/// Two passes, as the second finds the gradients of the first, while a sixteenth of the GPU's memory is held
/// back: later passes have a few more masked tokens, and memory falls to pieces with time.
fn try_pass<O: Objective>(objective: &O, pass: &O::MicroBatch, gpu: usize) -> Result<(), TrainError> {
    let spare = native::device_memory(gpu)?.total / 16;
    let _spare = Tensor::f_empty([spare as i64], (Kind::Uint8, Device::Cuda(gpu)))?;
    (0..2).try_for_each(|_| objective.learn(pass, &mut |loss| Ok(loss.f_backward()?)))
}

/// CUDA's allocator, and cuBLAS where nothing is left for its workspace, have no errors of their own in `tch`,
/// only these words.
fn is_out_of_memory(error: &TrainError) -> bool {
    let words = error.to_string();
    ["out of memory", "CUBLAS_STATUS_ALLOC_FAILED"].iter().any(|said| words.contains(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(per_device_train_batch_size: usize, gradient_accumulation_steps: usize) -> Optimization {
        Optimization { per_device_train_batch_size, gradient_accumulation_steps, ..Optimization::default() }
    }

    fn division(settings: &Optimization) -> (usize, usize) {
        (settings.per_device_train_batch_size, settings.gradient_accumulation_steps)
    }

    #[test]
    fn the_largest_divisor_that_fits_is_found_in_few_trials() {
        for sequences in [1, 7, 60, 64, 100] {
            for limit in 0..=sequences + 1 {
                let mut trials = 0;
                let found = largest_that_fits(sequences, |size| {
                    trials += 1;
                    Ok(size <= limit)
                });
                let expected = (1..=sequences.min(limit)).rev().find(|size| sequences % size == 0);
                assert_eq!(found.unwrap(), expected, "{sequences} sequences, {limit} fit");
                assert!(trials <= 4, "{trials} trials for {sequences}");
            }
        }
    }

    #[test]
    fn only_a_lack_of_memory_means_that_a_pass_does_not_fit() {
        let torch = |words: &str| TrainError::Torch(tch::TchError::Torch(words.into()));
        assert!(is_out_of_memory(&torch("CUDA out of memory. Tried to allocate 2.00 GiB")));
        assert!(!is_out_of_memory(&torch("CUDA error: an illegal memory access was encountered")));
        assert!(largest_that_fits(4, |_| Err(torch("broken"))).is_err());
    }

    #[test]
    fn what_was_found_is_recorded_and_not_searched_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = settle(&settings(1, 64), folder.path(), || Ok(16)).unwrap();
        assert_eq!(division(&first), (16, 4));
        let again = settle(&settings(1, 64), folder.path(), || panic!("there is a record")).unwrap();
        assert_eq!(again, first);
    }

    #[test]
    fn a_damaged_record_or_one_of_another_step_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECORD);
        settle(&settings(1, 64), folder.path(), || Ok(16)).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for (text, sequences) in [
            (whole.as_str(), 32),
            (&whole[..whole.len() / 2], 64),
            ("", 64),
            (r#"{"per_device_train_batch_size": 0, "sequences_per_step": 64}"#, 64),
            (r#"{"per_device_train_batch_size": 7, "sequences_per_step": 64}"#, 64),
        ] {
            fs::write(&path, text).unwrap();
            let settled = settle(&settings(1, sequences), folder.path(), || Ok(1));
            assert!(matches!(settled, Err(TrainError::Record { .. })), "{text}: {settled:?}");
        }
    }
}
