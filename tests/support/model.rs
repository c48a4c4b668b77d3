//! Batches from the tensors that transformers takes.

use longqa::model::{Batch, Sequence};
use tch::{Kind, Tensor};

/// The real tokens of `input_ids`; all three are `[rows, length]`, padding on the right. Padding's id is 1.
pub fn batch(input_ids: &Tensor, attention_mask: &Tensor, global_attention: &Tensor) -> Batch {
    let rows = |tensor: &Tensor| Vec::<Vec<i64>>::try_from(tensor.to_kind(Kind::Int64)).unwrap();
    let (ids, real, global) = (rows(input_ids), rows(attention_mask), rows(global_attention));
    let sequences: Vec<_> = (0..ids.len())
        .map(|row| {
            let length = real[row].iter().filter(|&&real| real == 1).count();
            assert!(real[row][..length].iter().all(|&real| real == 1), "padding on the right");
            Sequence {
                input_ids: ids[row][..length].to_vec(),
                global: (0..length).filter(|&position| global[row][position] == 1).collect(),
            }
        })
        .collect();
    Batch::of_sequences(&sequences, 1).unwrap()
}
