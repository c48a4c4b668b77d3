//! A batch as transformers' models take it: rectangles with padding, by the names of their arguments.

use tch::{TchError, Tensor};

use super::{Batch, MaskedPositions};

/// A label that nothing is learned from; cross-entropy's own name for it.
pub const IGNORED_LABEL: i64 = -100;

/// An argument's name and its value, i64.
pub type Argument = (&'static str, Tensor);

impl Batch {
    /// `input_ids` and `attention_mask`, and where they tell tokens apart `token_type_ids` and
    /// `global_attention_mask`, each `[rows, length]`. How tokens are numbered is left to the model.
    pub fn arguments(&self, padding_id: i64) -> Result<Vec<Argument>, TchError> {
        let every = self.input_ids.f_ones_like()?;
        let mut arguments = vec![
            ("input_ids", self.padded(&self.input_ids, padding_id as f64)?),
            ("attention_mask", self.padded(&every, 0.0)?),
        ];
        if let Some(types) = &self.token_types {
            arguments.push(("token_type_ids", self.padded(types, 0.0)?));
        }
        if self.count_globals() > 0 {
            let globals = every.f_zeros_like()?;
            let _same = globals.f_narrow(0, 0, self.count_globals())?.f_fill_(1.0)?;
            arguments.push(("global_attention_mask", self.padded(&globals, 0.0)?));
        }
        Ok(arguments)
    }

    /// The `labels` of a masked language model, `[rows, length]`: what masked tokens were, elsewhere
    /// [`IGNORED_LABEL`].
    pub fn masked_labels(&self, masked: &MaskedPositions) -> Result<Argument, TchError> {
        let labels = self.input_ids.f_full_like(IGNORED_LABEL)?;
        let labels = labels.f_index_copy(0, &self.packed(&masked.index)?, &masked.labels)?;
        Ok(("labels", self.padded(&labels, IGNORED_LABEL as f64)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Positions, Sequence};
    use super::*;

    fn rows(tensor: &Tensor) -> Vec<Vec<i64>> {
        Vec::try_from(tensor).unwrap()
    }

    #[test]
    fn every_token_stands_in_its_place_beside_its_type_its_mask_and_its_label() {
        let batch = [
            Sequence { input_ids: vec![7, 8, 9], global: vec![1], second_segment: Some(2) },
            Sequence { input_ids: vec![5, 6], global: vec![0, 1], second_segment: None },
        ];
        let batch = Batch::of_sequences(&batch, Positions::FromZero).unwrap();
        let found: Vec<_> =
            batch.arguments(4).unwrap().into_iter().map(|(name, tensor)| (name, rows(&tensor))).collect();
        let expected = [
            ("input_ids", [[7, 8, 9], [5, 6, 4]]),
            ("attention_mask", [[1, 1, 1], [1, 1, 0]]),
            ("token_type_ids", [[0, 0, 1], [0, 0, 0]]),
            ("global_attention_mask", [[0, 1, 0], [1, 1, 0]]),
        ];
        assert_eq!(found, expected.map(|(name, rows)| (name, rows.map(Vec::from).to_vec())));
        // Counted row after row: 8 and 5.
        let masked = MaskedPositions::new(&[1, 3], &[70, 71]).unwrap();
        let (_, labels) = batch.masked_labels(&masked).unwrap();
        assert_eq!(rows(&labels), [[-100, 70, -100], [71, -100, -100]]);
    }

    #[test]
    fn a_model_is_not_told_what_all_its_tokens_share() {
        let row = Sequence { input_ids: vec![7, 8], global: vec![], second_segment: None };
        let batch = Batch::of_sequences(&[row], Positions::FromZero).unwrap();
        let names: Vec<_> = batch.arguments(0).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["input_ids", "attention_mask"]);
    }
}
