//! What the encoder is given: token ids, which of them are real, which of them are global.
//!
//! A batch is made on the host from host data, and everything about it that decides a shape (how
//! many globals a row has, whether there is padding at all) is kept on the host, so that a forward
//! pass never waits for the device.

use tch::{Device, Kind, Tensor};

use super::{Config, ModelError};

/// One row of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids, without padding.
    pub input_ids: Vec<i64>,
    /// Positions of the tokens with global attention, in any order; none for plain RoBERTa.
    pub global: Vec<usize>,
}

/// A batch of token sequences on a device.
#[derive(Debug)]
pub struct Batch {
    /// Token ids, `[batch, length]`, i64.
    pub input_ids: Tensor,
    /// True for real tokens, false for padding, `[batch, length]`, bool.
    pub attention_mask: Tensor,
    /// True for tokens with global attention, `[batch, length]`, bool.
    pub global_attention: Tensor,
    size: i64,
    length: i64,
    largest_id: i64,
    padding: Padding,
    globals: Option<Globals>,
}

/// Whether any row is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Every token is real.
    Absent,
    /// Some are not.
    Present,
}

/// The global tokens of a batch, gathered into equally many slots per row.
#[derive(Debug)]
pub struct Globals {
    /// As many as the most global tokens in one row, or a few more.
    pub slots: i64,
    /// For each slot its place among the `batch · length` tokens, row-major, `[batch · slots]`, i64;
    /// an empty slot points at its row's first token.
    pub gather: Tensor,
    /// True where a slot holds a token, `[batch, slots]`, bool.
    pub present: Tensor,
    /// Places of the global tokens among the `batch · length` tokens, `[globals]`, i64.
    pub places: Tensor,
    /// For each of them its slot among the `batch · slots`, `[globals]`, i64.
    pub filled: Tensor,
}

impl Batch {
    /// Puts sequences side by side, padded on the right with `padding_id` to the longest.
    pub fn of_sequences(rows: &[Sequence], padding_id: i64, device: Device) -> Result<Self, ModelError> {
        let length = rows.iter().map(|row| row.input_ids.len()).max().unwrap_or(0);
        let mut input_ids = Vec::with_capacity(rows.len() * length);
        let mut attention_mask = Vec::with_capacity(rows.len() * length);
        let mut global_attention = vec![false; rows.len() * length];
        for (index, row) in rows.iter().enumerate() {
            let padding = length - row.input_ids.len();
            input_ids.extend(&row.input_ids);
            input_ids.extend(std::iter::repeat_n(padding_id, padding));
            attention_mask.extend(std::iter::repeat_n(true, row.input_ids.len()));
            attention_mask.extend(std::iter::repeat_n(false, padding));
            for position in &row.global {
                if *position >= row.input_ids.len() {
                    return Err(ModelError::Batch {
                        what: "global position",
                        expected: format!("below the row's {} tokens", row.input_ids.len()),
                        found: position.to_string(),
                    });
                }
                global_attention[index * length + position] = true;
            }
        }
        Self::new(rows.len(), &input_ids, &attention_mask, &global_attention, device)
    }

    /// A batch of `size` rows from flat, row-major values of equal length. Padding may be anywhere;
    /// a padded token is never global, whatever `global_attention` says.
    pub fn new(
        size: usize,
        input_ids: &[i64],
        attention_mask: &[bool],
        global_attention: &[bool],
        device: Device,
    ) -> Result<Self, ModelError> {
        let length = input_ids.len().checked_div(size).unwrap_or(0);
        let is_rectangle = length > 0 && size * length == input_ids.len();
        if !is_rectangle || [attention_mask.len(), global_attention.len()] != [input_ids.len(); 2] {
            return Err(ModelError::Batch {
                what: "shape",
                expected: "ids, mask and global marks of equal number, at least one token in each row".into(),
                found: format!(
                    "{size} rows, {} ids, {} mask values, {} global marks",
                    input_ids.len(),
                    attention_mask.len(),
                    global_attention.len()
                ),
            });
        }
        if let Some(negative) = input_ids.iter().find(|id| **id < 0) {
            return Err(ModelError::Batch {
                what: "token id",
                expected: "at least 0".into(),
                found: negative.to_string(),
            });
        }
        let global: Vec<bool> =
            global_attention.iter().zip(attention_mask).map(|(global, real)| *global && *real).collect();
        let shape = [size as i64, length as i64];
        let on_device = |tensor: Tensor| tensor.f_to_device(device);
        Ok(Self {
            input_ids: on_device(Tensor::f_from_slice(input_ids)?.view(shape))?,
            attention_mask: on_device(Tensor::f_from_slice(attention_mask)?.view(shape))?,
            global_attention: on_device(Tensor::f_from_slice(&global)?.view(shape))?,
            size: shape[0],
            length: shape[1],
            largest_id: input_ids.iter().copied().max().unwrap_or(0),
            padding: if attention_mask.iter().all(|real| *real) { Padding::Absent } else { Padding::Present },
            globals: Globals::of_marks(&global, length, device)?,
        })
    }

    /// Checks that `config`'s embeddings have a row for every token and position, before a device
    /// would fail on it.
    pub(super) fn check(&self, config: &Config) -> Result<(), ModelError> {
        let wrong = |what, expected: String, found: i64| {
            Err(ModelError::Batch { what, expected, found: found.to_string() })
        };
        if self.length > config.max_length() {
            return wrong("length", format!("at most {} tokens", config.max_length()), self.length);
        }
        if self.largest_id >= config.vocab_size {
            return wrong("token id", format!("below vocab_size = {}", config.vocab_size), self.largest_id);
        }
        Ok(())
    }

    /// Rows.
    pub fn size(&self) -> i64 {
        self.size
    }

    /// Tokens per row, padding included.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// Whether any row is padded.
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// The global tokens; none if no row has one.
    pub fn globals(&self) -> Option<&Globals> {
        self.globals.as_ref()
    }
}

impl Globals {
    fn of_marks(marks: &[bool], length: usize, device: Device) -> Result<Option<Self>, ModelError> {
        let rows: Vec<Vec<usize>> = marks
            .chunks(length)
            .map(|row| {
                row.iter().enumerate().filter(|(_, mark)| **mark).map(|(position, _)| position).collect()
            })
            .collect();
        let most = rows.iter().map(Vec::len).max().unwrap_or(0);
        if most == 0 {
            return Ok(None);
        }
        // GPUs' fused kernels want rows of masks to begin at multiples of 16 bytes.
        let slots = most.next_multiple_of(8);
        let (mut gather, mut present, mut places, mut filled) = (vec![], vec![], vec![], vec![]);
        for (index, row) in rows.iter().enumerate() {
            for slot in 0..slots {
                let place = (index * length + row.get(slot).copied().unwrap_or(0)) as i64;
                gather.push(place);
                present.push(slot < row.len());
                if slot < row.len() {
                    places.push(place);
                    filled.push((index * slots + slot) as i64);
                }
            }
        }
        let shape = [rows.len() as i64, slots as i64];
        Ok(Some(Self {
            slots: slots as i64,
            gather: Tensor::f_from_slice(&gather)?.f_to_device(device)?,
            present: Tensor::f_from_slice(&present)?.view(shape).f_to_device(device)?,
            places: Tensor::f_from_slice(&places)?.f_to_device(device)?,
            filled: Tensor::f_from_slice(&filled)?.f_to_device(device)?,
        }))
    }

    /// The global tokens' vectors: `[batch, length, …]` to `[batch, slots, …]`.
    pub fn select(&self, tokens: &Tensor) -> Tensor {
        let mut shape = tokens.size();
        let flat = tokens.flatten(0, 1).index_select(0, &self.gather); // [batch · slots, …]
        shape[1] = self.slots;
        flat.view(shape.as_slice())
    }

    /// `tokens` with the global tokens' vectors replaced by `rows`: `[batch, length, …]` and
    /// `[batch, slots, …]` to `[batch, length, …]`.
    pub fn replace(&self, tokens: &Tensor, rows: &Tensor) -> Tensor {
        let filled = rows.flatten(0, 1).index_select(0, &self.filled); // [globals, …]
        tokens.flatten(0, 1).index_copy(0, &self.places, &filled).view(tokens.size().as_slice())
    }
}

/// The masked tokens of a batch and what they were.
#[derive(Debug)]
pub struct MaskedPositions {
    /// Their places among the `batch · length` tokens, row-major, `[masked]`, i64.
    pub index: Tensor,
    /// The original token ids, `[masked]`, i64.
    pub labels: Tensor,
}

impl MaskedPositions {
    /// Masked positions from host data: places among the `batch · length` tokens, row-major, and
    /// the original token ids.
    pub fn new(index: &[i64], labels: &[i64], device: Device) -> Result<Self, ModelError> {
        if index.len() != labels.len() {
            return Err(ModelError::Batch {
                what: "masked positions",
                expected: format!("{} labels", index.len()),
                found: labels.len().to_string(),
            });
        }
        let on_device = |values: &[i64]| -> Result<Tensor, ModelError> {
            let tensor = if values.is_empty() {
                Tensor::f_zeros([0], (Kind::Int64, Device::Cpu))?
            } else {
                Tensor::f_from_slice(values)?
            };
            Ok(tensor.f_to_device(device)?)
        };
        Ok(Self { index: on_device(index)?, labels: on_device(labels)? })
    }

    /// How many.
    pub fn len(&self) -> i64 {
        self.index.size().first().copied().unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_different_length_are_padded_and_their_globals_gathered() {
        let rows = [
            Sequence { input_ids: vec![0, 7, 2], global: vec![2, 0] },
            Sequence { input_ids: vec![0, 8, 9, 9, 2], global: vec![1] },
        ];
        let batch = Batch::of_sequences(&rows, 1, Device::Cpu).unwrap();
        let ids = Vec::<Vec<i64>>::try_from(&batch.input_ids).unwrap();
        assert_eq!(ids, [[0, 7, 2, 1, 1], [0, 8, 9, 9, 2]]);
        assert_eq!((batch.size(), batch.length(), batch.padding()), (2, 5, Padding::Present));
        let globals = batch.globals().unwrap();
        assert_eq!(globals.slots, 8);
        assert_eq!(
            Vec::<i64>::try_from(&globals.gather).unwrap(),
            [0, 2, 0, 0, 0, 0, 0, 0, 6, 5, 5, 5, 5, 5, 5, 5]
        );
        assert_eq!(Vec::<i64>::try_from(&globals.places).unwrap(), [0, 2, 6]);
        assert_eq!(Vec::<i64>::try_from(&globals.filled).unwrap(), [0, 1, 8]);
    }

    #[test]
    fn a_padded_token_is_never_global() {
        let batch =
            Batch::new(1, &[0, 5, 1], &[true, true, false], &[false, false, true], Device::Cpu).unwrap();
        assert!(batch.globals().is_none());
    }

    #[test]
    fn replacing_what_was_selected_changes_nothing() {
        let row = |length: i64, global| Sequence { input_ids: (0..length).collect(), global };
        let rows = [row(4, vec![3, 1]), row(6, vec![]), row(5, vec![0, 2, 4])];
        let batch = Batch::of_sequences(&rows, 1, Device::Cpu).unwrap();
        let globals = batch.globals().unwrap();
        let tokens = Tensor::arange(3 * 6 * 2, (Kind::Float, Device::Cpu)).view([3, 6, 2]);
        assert_eq!(globals.replace(&tokens, &globals.select(&tokens)), tokens);
        let zeroed = globals.replace(&tokens, &globals.select(&tokens).zeros_like());
        assert_eq!(
            Vec::<f32>::try_from(zeroed.select(2, 1).select(0, 2)).unwrap(),
            [0., 27., 0., 31., 0., 35.]
        );
    }

    #[test]
    fn ragged_or_negative_input_is_refused() {
        assert!(Batch::new(2, &[1, 2, 3], &[true; 3], &[false; 3], Device::Cpu).is_err());
        assert!(Batch::new(0, &[], &[], &[], Device::Cpu).is_err());
        assert!(Batch::new(1, &[-1], &[true], &[false], Device::Cpu).is_err());
        let row = Sequence { input_ids: vec![0], global: vec![1] };
        assert!(Batch::of_sequences(&[row], 1, Device::Cpu).is_err());
        assert!(MaskedPositions::new(&[1], &[], Device::Cpu).is_err());
    }
}
