//! Batches from the tensors that transformers takes.

use longqa::model::{Batch, Positions, Sequence};
use tch::{Kind, Tensor};

/// The real tokens of `input_ids`; all are `[rows, length]`, padding on the right. Types are ascending.
pub fn batch(
    positions: Positions,
    input_ids: &Tensor,
    attention_mask: &Tensor,
    global_attention: &Tensor,
    token_type_ids: Option<&Tensor>,
) -> Batch {
    let rows = |tensor: &Tensor| Vec::<Vec<i64>>::try_from(tensor.to_kind(Kind::Int64)).unwrap();
    let (ids, real, global) = (rows(input_ids), rows(attention_mask), rows(global_attention));
    let types = token_type_ids.map(rows);
    let sequences: Vec<_> = (0..ids.len())
        .map(|row| {
            let length = real[row].iter().filter(|&&real| real == 1).count();
            assert!(real[row][..length].iter().all(|&real| real == 1), "padding on the right");
            Sequence {
                input_ids: ids[row][..length].to_vec(),
                global: (0..length).filter(|&position| global[row][position] == 1).collect(),
                second_segment: types
                    .as_ref()
                    .and_then(|types| types[row].iter().position(|&kind| kind == 1)),
            }
        })
        .collect();
    Batch::of_sequences(&sequences, positions).unwrap()
}
