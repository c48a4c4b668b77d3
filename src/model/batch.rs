//! What the encoder is given: token sequences laid end to end, without padding.
//!
//! A batch is made on the host from host data, and everything about it that decides a shape (the rows'
//! lengths, how many tokens are global) is kept on the host, so that a forward pass never waits for the
//! device. The network works on `[tokens, …]`; attention alone asks which tokens belong together.

use tch::{Device, Kind, TchError, Tensor};

use super::{Config, ModelError, Positions};
use crate::native::Stretch;

/// One row of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids, without padding.
    pub input_ids: Vec<i64>,
    /// Positions of the tokens with global attention, in any order; none for a model without windows.
    pub global: Vec<usize>,
    /// Where the second segment begins: from there on tokens are of type 1. None: all are of type 0.
    pub second_segment: Option<usize>,
}

/// A batch of token sequences.
///
/// Its tokens stand in *packed order*: first the global tokens of all rows, row after row, then all other
/// tokens, row after row. So each kind is one stretch of every `[tokens, …]` tensor.
#[derive(Debug)]
pub struct Batch {
    /// Token ids in packed order, `[tokens]`, i64.
    pub(super) input_ids: Tensor,
    /// Rows of the position embedding in packed order, `[tokens]`, i64.
    pub(super) position_ids: Tensor,
    /// Segments in packed order, `[tokens]`, i64; none if there is but the first.
    pub(super) token_types: Option<Tensor>,
    rows: Vec<Row>,
    globals: Option<Stretch>,
    others: Stretch,
    largest_id: i64,
}

/// A row's tokens, as attention sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Tokens.
    pub length: usize,
    /// Positions of the global ones, ascending.
    pub globals: Vec<usize>,
}

impl Batch {
    /// Lays `rows` end to end, in the CPU's memory, their tokens numbered as the model wants.
    ///
    /// # Errors
    /// No row, a row without a token, a negative id, a global position or a segment outside its row.
    pub fn of_sequences(rows: &[Sequence], positions: Positions) -> Result<Self, ModelError> {
        let tokens = rows.iter().map(|row| row.input_ids.len()).sum();
        let (mut input_ids, mut position_ids) = (Vec::with_capacity(tokens), Vec::with_capacity(tokens));
        let mut token_types = Vec::with_capacity(tokens);
        let checked = rows.iter().map(Row::of_sequence).collect::<Result<Vec<_>, _>>()?;
        if checked.is_empty() {
            return Err(wrong("shape", "at least one row".into(), "none"));
        }
        for wanted in [Part::Globals, Part::Others] {
            for (row, sequence) in checked.iter().zip(rows) {
                let mut globals = row.globals.iter().peekable();
                let numbered = sequence.input_ids.iter().zip(positions.rows(&sequence.input_ids));
                let second_segment = sequence.second_segment.unwrap_or(sequence.input_ids.len());
                for (position, (&id, position_id)) in numbered.enumerate() {
                    let part = match globals.next_if_eq(&&position) {
                        Some(_) => Part::Globals,
                        None => Part::Others,
                    };
                    if part == wanted {
                        input_ids.push(id);
                        position_ids.push(position_id);
                        token_types.push(i64::from(position >= second_segment));
                    }
                }
            }
        }
        let globals = |row: &Row| row.globals.len();
        Ok(Self {
            input_ids: Tensor::f_from_slice(&input_ids)?,
            position_ids: Tensor::f_from_slice(&position_ids)?,
            token_types: match token_types.contains(&1) {
                true => Some(Tensor::f_from_slice(&token_types)?),
                false => None,
            },
            globals: match checked.iter().any(|row| !row.globals.is_empty()) {
                true => Some(stretch(checked.iter().map(globals))?),
                false => None,
            },
            others: stretch(checked.iter().map(|row| row.length - globals(row)))?,
            largest_id: input_ids.iter().copied().max().unwrap_or(0),
            rows: checked,
        })
    }

    /// The same batch in the memory of `device`. A copy to a GPU is begun and not waited for.
    pub fn to_device(&self, device: Device) -> Result<Self, TchError> {
        let to = |stretch: &Stretch| -> Result<Stretch, TchError> {
            Ok(Stretch { offsets: upload(&stretch.offsets, device)?, longest: stretch.longest })
        };
        Ok(Self {
            input_ids: upload(&self.input_ids, device)?,
            position_ids: upload(&self.position_ids, device)?,
            token_types: self.token_types.as_ref().map(|types| upload(types, device)).transpose()?,
            rows: self.rows.clone(),
            globals: self.globals.as_ref().map(to).transpose()?,
            others: to(&self.others)?,
            largest_id: self.largest_id,
        })
    }

    /// Checks that `config`'s embeddings have a row for every token, position and segment, before a
    /// device would fail on it.
    pub(super) fn check(&self, config: &Config) -> Result<(), ModelError> {
        if self.length() > config.max_length() {
            let expected = format!("at most {} tokens", config.max_length());
            return Err(wrong("length", expected, self.length()));
        }
        if self.largest_id >= config.vocab_size {
            return Err(wrong(
                "token id",
                format!("below vocab_size = {}", config.vocab_size),
                self.largest_id,
            ));
        }
        if self.token_types.is_some() && config.type_vocab_size < 2 {
            return Err(wrong("segments", "one, as type_vocab_size = 1".into(), 2));
        }
        Ok(())
    }

    /// What each row holds.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Tokens of the longest row.
    pub fn length(&self) -> i64 {
        self.rows.iter().map(|row| row.length as i64).max().unwrap_or(0)
    }

    /// All tokens.
    pub fn tokens(&self) -> i64 {
        self.rows.iter().map(|row| row.length as i64).sum()
    }

    /// The global tokens of all rows, the first in packed order; none if no row has one.
    pub(super) fn globals(&self) -> Option<&Stretch> {
        self.globals.as_ref()
    }

    /// How many tokens are global.
    pub fn count_globals(&self) -> i64 {
        self.rows.iter().map(|row| row.globals.len() as i64).sum()
    }

    /// The tokens that are not global, the last in packed order.
    pub(super) fn others(&self) -> &Stretch {
        &self.others
    }

    /// Where its tensors are.
    pub fn device(&self) -> Device {
        self.input_ids.device()
    }

    /// For each cell of a rectangle with a row of [`Batch::length`] cells for each row of the batch: the
    /// place in packed order of the token there; none where the row has ended.
    pub(super) fn places(&self) -> Vec<Option<i64>> {
        let length = self.length() as usize;
        let mut cells = vec![None; self.rows.len() * length];
        let (mut next_global, mut next_other) = (0, self.count_globals());
        for (row, cells) in self.rows.iter().zip(cells.chunks_mut(length)) {
            let mut globals = row.globals.iter().peekable();
            for (position, cell) in cells.iter_mut().take(row.length).enumerate() {
                let next = match globals.next_if_eq(&&position) {
                    Some(_) => &mut next_global,
                    None => &mut next_other,
                };
                *cell = Some(*next);
                *next += 1;
            }
        }
        cells
    }

    /// The places in packed order of tokens counted row after row: `[wanted]` to `[wanted]`, i64.
    pub(super) fn packed(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        if self.globals.is_none() {
            return Ok(tokens.shallow_clone());
        }
        let places: Vec<i64> = self.places().into_iter().flatten().collect();
        upload(&Tensor::f_from_slice(&places)?, self.device())?.f_index_select(0, tokens)
    }

    /// Values of tokens as a rectangle, `[tokens, …]` to `[rows, length, …]`, with `filling` where a row has
    /// ended.
    pub fn padded(&self, values: &Tensor, filling: f64) -> Result<Tensor, TchError> {
        let mut shape = values.size();
        let tokens = std::mem::replace(&mut shape[0], 1);
        let filling = Tensor::f_full(shape.as_slice(), filling, (values.kind(), values.device()))?;
        let places: Vec<i64> = self.places().into_iter().map(|place| place.unwrap_or(tokens)).collect();
        let places = upload(&Tensor::f_from_slice(&places)?, values.device())?;
        shape.splice(0..1, [self.rows.len() as i64, self.length()]);
        Tensor::f_cat(&[values, &filling], 0)?.f_index_select(0, &places)?.f_view(shape.as_slice())
    }
}

impl Row {
    fn of_sequence(sequence: &Sequence) -> Result<Self, ModelError> {
        let length = sequence.input_ids.len();
        if length == 0 {
            return Err(wrong("shape", "at least one token in each row".into(), "an empty row"));
        }
        if let Some(negative) = sequence.input_ids.iter().find(|id| **id < 0) {
            return Err(wrong("token id", "at least 0".into(), negative));
        }
        if let Some(start) = sequence.second_segment.filter(|start| *start > length) {
            return Err(wrong("second segment", format!("within the row's {length} tokens"), start));
        }
        let mut globals = sequence.global.clone();
        globals.sort_unstable();
        globals.dedup();
        match globals.last() {
            Some(last) if *last >= length => {
                Err(wrong("global position", format!("below the row's {length} tokens"), last))
            }
            _ => Ok(Self { length, globals }),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Globals,
    Others,
}

fn stretch(lengths: impl Iterator<Item = usize>) -> Result<Stretch, TchError> {
    let (mut offsets, mut longest, mut end) = (vec![0], 0, 0);
    for length in lengths {
        end += length as i32;
        longest = longest.max(length as i64);
        offsets.push(end);
    }
    Ok(Stretch { offsets: Tensor::f_from_slice(&offsets)?, longest })
}

fn wrong(what: &'static str, expected: String, found: impl ToString) -> ModelError {
    ModelError::Batch { what, expected, found: found.to_string() }
}

/// A copy in the memory of `device`; one to a GPU is begun and not waited for, which needs pinned memory.
/// (libtorch's `pin_memory` warns of being told the device, which tch does; the operator behind it does not.)
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    if tensor.device() == device {
        return Ok(tensor.shallow_clone());
    }
    let (non_blocking, copy) = (true, false);
    tensor.f_internal_pin_memory(device)?.f_to_device_(device, tensor.kind(), non_blocking, copy)
}

/// The masked tokens of a batch and what they were.
#[derive(Debug)]
pub struct MaskedPositions {
    /// Their places among all tokens, row after row, `[masked]`, i64.
    pub index: Tensor,
    /// The original token ids, `[masked]`, i64.
    pub labels: Tensor,
}

impl MaskedPositions {
    /// Masked positions from host data: places among all tokens, row after row, and the original ids.
    pub fn new(index: &[i64], labels: &[i64]) -> Result<Self, ModelError> {
        if index.len() != labels.len() {
            return Err(wrong("masked positions", format!("{} labels", index.len()), labels.len()));
        }
        let tensor = |values: &[i64]| match values {
            [] => Tensor::f_zeros([0], (Kind::Int64, Device::Cpu)),
            _ => Tensor::f_from_slice(values),
        };
        Ok(Self { index: tensor(index)?, labels: tensor(labels)? })
    }

    /// The same in the memory of `device`. A copy to a GPU is begun and not waited for.
    pub fn to_device(&self, device: Device) -> Result<Self, TchError> {
        Ok(Self { index: upload(&self.index, device)?, labels: upload(&self.labels, device)? })
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

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.to_kind(Kind::Int64)).unwrap()
    }

    fn two_rows() -> Batch {
        let rows = [
            Sequence { input_ids: vec![0, 7, 2], global: vec![2, 0, 2], second_segment: None },
            Sequence { input_ids: vec![0, 8, 1, 9, 2], global: vec![1], second_segment: None },
        ];
        Batch::of_sequences(&rows, AFTER_PADDING).unwrap()
    }

    const AFTER_PADDING: Positions = Positions::After { padding_id: 1 };

    #[test]
    fn global_tokens_come_first_and_padding_in_a_text_takes_no_position() {
        let batch = two_rows();
        assert_eq!(numbers(&batch.input_ids), [0, 2, 8, 7, 0, 1, 9, 2]);
        assert_eq!(numbers(&batch.position_ids), [2, 4, 3, 3, 2, 1, 4, 5]);
        let (globals, others) = (batch.globals().unwrap(), batch.others());
        assert_eq!((numbers(&globals.offsets), globals.longest), (vec![0, 2, 3], 2));
        assert_eq!((numbers(&others.offsets), others.longest), (vec![0, 1, 5], 4));
        assert_eq!((batch.tokens(), batch.length(), batch.count_globals()), (8, 5, 3));
    }

    #[test]
    fn positions_from_zero_number_padding_too_and_segments_stand_in_packed_order() {
        let rows = [
            Sequence { input_ids: vec![5, 0, 6, 7], global: vec![3], second_segment: Some(2) },
            Sequence { input_ids: vec![5, 6], global: vec![0], second_segment: None },
        ];
        let batch = Batch::of_sequences(&rows, Positions::FromZero).unwrap();
        assert_eq!(numbers(&batch.input_ids), [7, 5, 5, 0, 6, 6]);
        assert_eq!(numbers(&batch.position_ids), [3, 0, 0, 1, 2, 1]);
        assert_eq!(numbers(batch.token_types.as_ref().unwrap()), [1, 0, 0, 0, 1, 0]);
        assert!(two_rows().token_types.is_none());
    }

    #[test]
    fn a_rectangle_has_every_token_in_its_place() {
        let batch = two_rows();
        let ids = batch.padded(&batch.input_ids, -1.0).unwrap();
        assert_eq!(Vec::<Vec<i64>>::try_from(ids).unwrap(), [[0, 7, 2, -1, -1], [0, 8, 1, 9, 2]]);
        let all = Tensor::arange(8, (Kind::Int64, Device::Cpu));
        let in_order = batch.input_ids.index_select(0, &batch.packed(&all).unwrap());
        assert_eq!(numbers(&in_order), [0, 7, 2, 0, 8, 1, 9, 2]);
    }

    #[test]
    fn empty_or_negative_or_outlying_input_is_refused() {
        let row = |input_ids: &[i64], global: &[usize]| Sequence {
            input_ids: input_ids.to_vec(),
            global: global.to_vec(),
            second_segment: None,
        };
        for rows in
            [vec![], vec![row(&[5], &[]), row(&[], &[])], vec![row(&[-1], &[])], vec![row(&[0], &[1])]]
        {
            assert!(Batch::of_sequences(&rows, AFTER_PADDING).is_err(), "{rows:?}");
        }
        let beyond = Sequence { second_segment: Some(3), ..row(&[5, 6], &[]) };
        assert!(Batch::of_sequences(&[beyond], AFTER_PADDING).is_err());
        assert!(MaskedPositions::new(&[1], &[]).is_err());
    }
}
