//! Where one tensor lies: a checked, possibly strided view of a [`Storage`]. The bytes are copied
//! when the tensor is built and not before.

use std::sync::Arc;

use tch::{Kind, TchError, Tensor};

use super::error::WeightsError;
use super::mapped::Storage;

/// More dimensions than any tensor here has.
pub(super) const MOST_DIMENSIONS: usize = 16;

/// A view of a storage as a tensor: every element it can reach lies inside the storage, and it has
/// no more elements than the storage.
#[derive(Debug)]
pub(super) struct Entry {
    storage: Arc<Storage>,
    kind: Kind,
    shape: Vec<i64>,
    strides: Vec<i64>,
    /// In elements, from the storage's start to the first element.
    offset: usize,
    /// In elements, from the first element to behind the farthest one.
    span: usize,
}

impl Entry {
    /// A row-major tensor that begins where the storage begins.
    pub fn contiguous(
        name: &str,
        storage: Arc<Storage>,
        kind: Kind,
        shape: Vec<i64>,
    ) -> Result<Self, WeightsError> {
        let strides = contiguous_strides(&shape).unwrap_or_default();
        Self::view(name, storage, kind, 0, shape, strides)
    }

    /// A view with its first element at `offset`; `offset` and `strides` count elements.
    pub fn view(
        name: &str,
        storage: Arc<Storage>,
        kind: Kind,
        offset: i64,
        shape: Vec<i64>,
        strides: Vec<i64>,
    ) -> Result<Self, WeightsError> {
        let size = kind.elt_size_in_bytes() as u64;
        let available = storage.length() / size;
        let odd = |expected: &str| {
            let found = format!("shape {shape:?}, strides {strides:?}, offset {offset}");
            storage.file().malformed(format!("tensor {name:?}"), expected, found)
        };
        if shape.len() > MOST_DIMENSIONS {
            let expected = format!("at most {MOST_DIMENSIONS} dimensions");
            return Err(storage.file().malformed(format!("tensor {name:?}"), expected, shape.len()));
        }
        if shape.len() != strides.len() || shape.iter().chain(&strides).any(|&length| length < 0) {
            return Err(odd("as many strides as dimensions, none negative"));
        }
        let elements = element_count(&shape).ok_or_else(|| odd("a size below 2^63"))?;
        let span = if elements == 0 { Some(0) } else { reach(&shape, &strides) };
        let span = span.ok_or_else(|| odd("a size below 2^63"))?;
        let offset_here = u64::try_from(offset).map_err(|_| odd("an offset of 0 or more"))?;
        if offset_here.saturating_add(span).max(elements) > available {
            return Err(odd(&format!("a view inside the storage's {available} elements")));
        }
        let (offset, span) = (offset_here as usize, span as usize);
        Ok(Self { storage, kind, shape, strides, offset, span })
    }

    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A copy in row-major order, on the CPU.
    pub fn tensor(&self, name: &str) -> Result<Tensor, WeightsError> {
        let size = self.kind.elt_size_in_bytes();
        let whole = self.storage.bytes()?;
        // `view` has checked that the range lies inside.
        let bytes = whole.get(self.offset * size..(self.offset + self.span) * size).unwrap_or_default();
        if self.kind == Kind::Bool
            && let Some(odd) = bytes.iter().find(|&&byte| byte > 1)
        {
            let what = format!("tensor {name:?}");
            return Err(self.storage.file().malformed(what, "the bytes 0 and 1 (BOOL)", odd));
        }
        self.build(bytes).map_err(|source| {
            let (path, name) = (self.storage.file().path().to_owned(), name.to_owned());
            WeightsError::Tensor { path, name, source }
        })
    }

    fn build(&self, bytes: &[u8]) -> Result<Tensor, TchError> {
        if contiguous_strides(&self.shape).as_deref() == Some(&self.strides[..]) || self.span == 0 {
            return Tensor::f_from_data_size(bytes, &self.shape, self.kind);
        }
        let flat = Tensor::f_from_data_size(bytes, &[self.span as i64], self.kind)?; // [span]
        flat.f_as_strided(&self.shape, &self.strides, 0)?.f_contiguous() // [shape…]
    }
}

/// The number of elements; `None` where the dimensions, empty ones counted as one, multiply to
/// more than an `i64` holds.
fn element_count(shape: &[i64]) -> Option<u64> {
    let bound = shape.iter().try_fold(1_i64, |count, &length| count.checked_mul(length.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { bound as u64 })
}

/// From the first element of a tensor that is not empty to behind its farthest one.
fn reach(shape: &[i64], strides: &[i64]) -> Option<u64> {
    let farthest = shape
        .iter()
        .zip(strides)
        .try_fold(0_i64, |sum, (&length, &stride)| sum.checked_add((length - 1).checked_mul(stride)?))?;
    Some(farthest as u64 + 1)
}

fn contiguous_strides(shape: &[i64]) -> Option<Vec<i64>> {
    let mut strides = vec![0; shape.len()];
    let mut next = 1_i64;
    for (stride, &length) in strides.iter_mut().zip(shape).rev() {
        *stride = next;
        next = next.checked_mul(length.max(1))?;
    }
    Some(strides)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_and_reach_of_a_row_major_tensor() {
        assert_eq!(contiguous_strides(&[2, 3, 4]), Some(vec![12, 4, 1]));
        assert_eq!(reach(&[2, 3, 4], &[12, 4, 1]), Some(24));
        assert_eq!(reach(&[], &[]), Some(1));
    }

    #[test]
    fn sizes_that_overflow_are_noticed_even_beside_an_empty_dimension() {
        assert_eq!(element_count(&[0, i64::MAX, 2]), None);
        assert_eq!(element_count(&[0, 5]), Some(0));
        assert_eq!(reach(&[3], &[i64::MAX]), None);
        assert_eq!(contiguous_strides(&[1, i64::MAX, 3]), None);
    }
}
