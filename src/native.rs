//! Everything `unsafe`, behind safe functions; each block says why it is sound.
//!
//! Four things need it: memory maps, the C library's allocator, ending the process at once, and the
//! libtorch calls that `tch` lacks (`csrc/`).

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr;

use memmap2::Mmap;
use tch::{TchError, Tensor};
use torch_sys::C_tensor;

/// Maps the file at `path` into memory, to be read.
///
/// The file must not be changed in place while the map lives. Ours are not: every file under a
/// final name was put there whole by [`crate::durable`] and is only ever replaced by another.
pub fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: see above; a reader of a file that somebody truncates meanwhile gets SIGBUS, as with
    // any memory map, but never another file's bytes.
    unsafe { Mmap::map(&file) }
}

/// Ends the process at once. Unlike [`std::process::exit`] it runs no destructors of C++ statics,
/// which libtorch's threads, still at work, would trip over.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` may be called at any time from any thread, and does not come back.
    unsafe { _exit(code) }
}

/// Lets the C library keep freed memory instead of giving it back to the system. A training step
/// frees and asks for the same large tensors again and again; mapping them anew each time takes
/// time. (With glibc's environment variables of the same meaning a step was 15 to 30 % faster on one
/// thread; these calls have not been compared with and without.) Call it before other threads start.
pub fn keep_freed_memory() {
    const M_TRIM_THRESHOLD: i32 = -1;
    const M_TOP_PAD: i32 = -2;
    const M_MMAP_MAX: i32 = -4;
    const M_ARENA_MAX: i32 = -8;
    for (parameter, value) in
        [(M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, 64 << 20), (M_ARENA_MAX, 1)]
    {
        // SAFETY: `mallopt` takes any two numbers and refuses what it does not know.
        let _refused_or_not = unsafe { mallopt(parameter, value) };
    }
}

/// What one AdamW step is told.
#[repr(C)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the running mean of gradients.
    pub beta1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// Lists of equal length: the i-th gradient and moments belong to the i-th parameter.
pub struct AdamWTensors<'a> {
    /// The weights, changed in place.
    pub parameters: &'a [&'a Tensor],
    /// Their gradients, divided in place.
    pub gradients: &'a [&'a Tensor],
    /// Running means of gradients, changed in place.
    pub means: &'a [&'a Tensor],
    /// Running means of squared gradients, changed in place.
    pub squares: &'a [&'a Tensor],
    /// `[]` f32: the number of this step, from 1.
    pub step: &'a Tensor,
    /// `[]` f32: the gradients are divided by it first.
    pub gradient_divisor: &'a Tensor,
    /// `[]` f32: 1 leaves weights and moments as they are.
    pub skip: &'a Tensor,
}

/// libtorch's `_fused_adamw_`: one AdamW step over all parameters in one pass.
pub fn fused_adamw(tensors: &AdamWTensors, settings: &AdamWStep) -> Result<(), TchError> {
    let count = tensors.parameters.len();
    let lists = [tensors.gradients, tensors.means, tensors.squares];
    assert!(lists.iter().all(|list| list.len() == count), "one gradient and two moments per parameter");
    let parameters = pointers(tensors.parameters);
    let [gradients, means, squares] = lists.map(pointers);
    // SAFETY: every pointer comes from a `Tensor` borrowed for the whole call, each list holds
    // `count` of them, and the C++ side catches every exception.
    checked(unsafe {
        longqa_fused_adamw(
            parameters.as_ptr(),
            gradients.as_ptr(),
            means.as_ptr(),
            squares.as_ptr(),
            count,
            tensors.step.as_ptr(),
            tensors.gradient_divisor.as_ptr(),
            tensors.skip.as_ptr(),
            settings,
        )
    })
}

/// The Euclidean norm of all `gradients` together, `[]` on their device; at least one is needed.
pub fn gradient_norm(gradients: &[&Tensor]) -> Result<Tensor, TchError> {
    let list = pointers(gradients);
    let mut norm = ptr::null_mut();
    // SAFETY: the pointers come from tensors borrowed for the whole call; without an error `norm`
    // is a new tensor that nobody else owns.
    unsafe {
        checked(longqa_gradient_norm(list.as_ptr(), list.len(), &mut norm))?;
        Ok(Tensor::from_ptr(norm))
    }
}

/// Forgets the gradient of `parameter`, so that the next backward pass starts a new one (what
/// PyTorch calls `zero_grad(set_to_none=True)`).
pub fn drop_gradient(parameter: &Tensor) -> Result<(), TchError> {
    // SAFETY: the pointer comes from a tensor borrowed for the whole call. Other handles on the old
    // gradient keep their own reference.
    checked(unsafe { longqa_drop_gradient(parameter.as_ptr()) })
}

/// Sequences laid end to end.
#[derive(Debug)]
pub struct Stretch {
    /// Where each sequence begins, and where the last one ends, `[sequences + 1]`, i32.
    pub offsets: Tensor,
    /// Tokens of the longest.
    pub longest: i64,
}

/// Keys that a query sees, of its own sequence.
#[derive(Debug)]
pub struct PackedKeys<'a> {
    /// `[tokens, heads, head_dim]`
    pub key: &'a Tensor,
    /// `[tokens, heads, head_dim]`
    pub value: &'a Tensor,
    /// The sequences of the keys: as many as there are of the queries.
    pub stretch: &'a Stretch,
}

/// Attention over packed sequences, each to itself; the result is `[tokens, heads, head_dim]`.
///
/// Queries see the keys of `near` up to `side` positions away (all of them without it) and all keys of
/// `far`; no key may stand in both, and each query must see one in `near`. On CUDA by flash attention (half
/// precision only); on a CPU by a stand-in for tests, quadratic and without dropout. See `csrc/attention.cpp`.
pub fn packed_attention(
    query: &Tensor,
    stretch: &Stretch,
    near: &PackedKeys,
    side: Option<i64>,
    far: Option<&PackedKeys>,
    dropout: f64,
) -> Result<Tensor, TchError> {
    let side = side.unwrap_or(KeysPointers::ALL);
    let near = KeysPointers::of(near, side);
    let far = far.map_or(KeysPointers::NONE, |far| KeysPointers::of(far, KeysPointers::ALL));
    let mut result = ptr::null_mut();
    // SAFETY: the pointers come from tensors borrowed for the whole call, or are null where the C++ side
    // expects it; without an error `result` is a new tensor that nobody else owns.
    unsafe {
        let (offsets, longest) = (stretch.offsets.as_ptr(), stretch.longest);
        checked(longqa_packed_attention(
            query.as_ptr(),
            offsets,
            longest,
            &near,
            &far,
            dropout,
            &mut result,
        ))?;
        Ok(Tensor::from_ptr(result))
    }
}

#[repr(C)]
struct KeysPointers {
    key: *const C_tensor,
    value: *const C_tensor,
    offsets: *const C_tensor,
    longest: i64,
    side: i64,
}

impl KeysPointers {
    const ALL: i64 = -1;
    const NONE: Self =
        Self { key: ptr::null(), value: ptr::null(), offsets: ptr::null(), longest: 0, side: Self::ALL };

    fn of(keys: &PackedKeys, side: i64) -> Self {
        Self {
            key: keys.key.as_ptr(),
            value: keys.value.as_ptr(),
            offsets: keys.stretch.offsets.as_ptr(),
            longest: keys.stretch.longest,
            side,
        }
    }
}

fn pointers(tensors: &[&Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}

fn checked(message: *mut c_char) -> Result<(), TchError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message is a NUL-terminated string made by `strdup`, owned by us, freed once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        longqa_free(message);
        text
    };
    Err(TchError::Torch(text))
}

unsafe extern "C" {
    fn _exit(code: i32) -> !;
    fn mallopt(parameter: i32, value: i32) -> i32;
    fn longqa_free(message: *mut c_char);
    fn longqa_gradient_norm(
        gradients: *const *const C_tensor,
        count: usize,
        norm: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn longqa_fused_adamw(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        means: *const *const C_tensor,
        squares: *const *const C_tensor,
        count: usize,
        step: *const C_tensor,
        gradient_divisor: *const C_tensor,
        skip: *const C_tensor,
        settings: *const AdamWStep,
    ) -> *mut c_char;
    fn longqa_packed_attention(
        query: *const C_tensor,
        offsets: *const C_tensor,
        longest: i64,
        near: *const KeysPointers,
        far: *const KeysPointers,
        dropout: f64,
        result: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn longqa_drop_gradient(parameter: *const C_tensor) -> *mut c_char;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_libtorch_comes_back_as_one() {
        assert!(gradient_norm(&[]).is_err());
    }

    #[test]
    fn a_dropped_gradient_is_gone_and_a_new_one_can_come() {
        let weight = Tensor::from_slice(&[3f32, 4.0]).set_requires_grad(true);
        weight.sum(None::<tch::Kind>).backward();
        assert_eq!(gradient_norm(&[&weight.grad()]).unwrap().double_value(&[]), 2f64.sqrt() as f32 as f64);
        drop_gradient(&weight).unwrap();
        assert!(!weight.grad().defined());
        (&weight * 2.0).sum(None::<tch::Kind>).backward();
        assert_eq!(Vec::<f32>::try_from(weight.grad()).unwrap(), [2.0, 2.0]);
    }
}
