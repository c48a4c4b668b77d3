//! Everything `unsafe`, behind safe functions; each block says why it is sound.
//!
//! Six things need it: memory maps, the allocator's settings, ending the process at once, an environment
//! variable for cuBLAS, the GPU driver, and the libtorch calls that `tch` lacks (`csrc/`).

#![allow(unsafe_code)]

use std::env;
use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt;
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

/// How the program's allocator, jemalloc, keeps freed memory. A training step frees and asks for large tensors
/// again and again, and mapping them anew each time takes time: after half a minute without use the system is
/// told that it may take the pages, and the largest blocks are kept as the others are.
// SAFETY: jemalloc reads a text that ends in a zero through a pointer of this name, and never writes it.
#[unsafe(export_name = "malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 60] = b"oversize_threshold:0,dirty_decay_ms:30000,muzzy_decay_ms:-1\0";

/// Has cuBLAS give the same sums each time, unless the user has set up its workspace otherwise. It
/// reads the environment when CUDA starts. Call it before other threads start.
pub fn ask_for_deterministic_cublas() {
    const WORKSPACE: &str = "CUBLAS_WORKSPACE_CONFIG";
    if env::var_os(WORKSPACE).is_none() {
        // SAFETY: nobody else reads or writes the environment meanwhile: there is no other thread.
        unsafe { env::set_var(WORKSPACE, ":4096:8") };
    }
}

/// A GPU as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its name, `NVIDIA H200`.
    pub name: String,
    /// Its place in the machine, by which NVML knows it.
    pub pci_bus_id: String,
    /// Its memory.
    pub total_bytes: u64,
}

/// The newest CUDA that the driver runs, 13000 for 13.0; an error without a driver.
pub fn driver_cuda() -> Result<i32, String> {
    let mut version = 0;
    // SAFETY: `cuDriverGetVersion` writes one number.
    said(unsafe { longqa_driver_cuda(&mut version) })?;
    Ok(version)
}

/// The CUDA that libtorch was built for, 13000 for 13.0; none if for none.
pub fn runtime_cuda() -> Option<i32> {
    // SAFETY: `cudaRuntimeGetVersion`, if it is in this process, writes one number.
    Some(unsafe { longqa_runtime_cuda() }).filter(|version| *version > 0)
}

/// The GPUs that this process may use, in the order of their numbers.
pub fn gpus() -> Result<Vec<Gpu>, String> {
    let mut count = 0;
    // SAFETY: the driver writes one number.
    said(unsafe { longqa_gpu_count(&mut count) })?;
    let gpu = |number| {
        let mut raw = RawGpu { name: [0; 256], pci_bus_id: [0; 32], total_bytes: 0 };
        // SAFETY: the C++ side knows the same structure, and ends both texts with a NUL.
        unsafe {
            said(longqa_gpu_of(number, &mut raw))?;
            Ok(Gpu {
                name: text(raw.name.as_ptr()),
                pci_bus_id: text(raw.pci_bus_id.as_ptr()),
                total_bytes: raw.total_bytes,
            })
        }
    };
    (0..count).map(gpu).collect()
}

/// The driver's own version, `580.65.06`, from NVML.
pub fn driver_version() -> Result<String, String> {
    let mut version = [0; 80];
    // SAFETY: NVML writes at most that many characters, the last of them a NUL.
    unsafe {
        said(longqa_driver_version(version.as_mut_ptr(), version.len() as u32))?;
        Ok(text(version.as_ptr()))
    }
}

/// What a GPU has consumed since its driver was loaded, in thousandths of a joule, from NVML.
pub fn gpu_millijoules(gpu: &Gpu) -> Result<u64, String> {
    let place = CString::new(gpu.pci_bus_id.as_str()).map_err(|error| error.to_string())?;
    let mut millijoules = 0;
    // SAFETY: NVML reads the text and writes one number.
    said(unsafe { longqa_gpu_millijoules(place.as_ptr(), &mut millijoules) })?;
    Ok(millijoules)
}

/// Opens a shared library for the rest of the process, its symbols visible to all; the error is the
/// dynamic linker's, which names what is missing.
pub fn open_library(path: &Path) -> Result<(), String> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the library's initializers run; ours to name is libtorch's own.
    said(unsafe { longqa_open_library(path.as_ptr()) })
}

/// Starts CUDA in libtorch, whose CUDA half must have been opened, with `gpu` as this thread's GPU, and
/// from now on with deterministic algorithms wherever libtorch has them; an operator that has none is an error.
pub fn use_gpu(gpu: usize) -> Result<(), TchError> {
    // SAFETY: it takes any number, and the C++ side catches every exception.
    checked(unsafe { longqa_use_gpu(gpu as i32) })
}

/// Whether CUDA may round the factors of 32-bit matrix products to TF32's 10 bits.
pub fn allow_tf32(allowed: bool) -> Result<(), TchError> {
    // SAFETY: as above.
    checked(unsafe { longqa_allow_tf32(allowed) })
}

/// Waits until `gpu` has done all that it was given.
pub fn synchronize(gpu: usize) -> Result<(), TchError> {
    // SAFETY: as above.
    checked(unsafe { longqa_synchronize(gpu as i32) })
}

/// The memory of a GPU, in bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceMemory {
    /// What no process has.
    pub free: u64,
    /// All of it.
    pub total: u64,
    /// The most that tensors of this process have held since [`reset_peak_memory`].
    pub peak_allocated: u64,
}

/// The memory of `gpu`.
pub fn device_memory(gpu: usize) -> Result<DeviceMemory, TchError> {
    let mut memory = DeviceMemory::default();
    // SAFETY: the C++ side knows the same structure.
    checked(unsafe { longqa_device_memory_of(gpu as i32, &mut memory) })?;
    Ok(memory)
}

/// Has [`DeviceMemory::peak_allocated`] begin anew from what tensors hold now.
pub fn reset_peak_memory(gpu: usize) -> Result<(), TchError> {
    // SAFETY: as above.
    checked(unsafe { longqa_reset_peak_memory(gpu as i32) })
}

/// Gives memory that libtorch keeps for later tensors back to the GPU.
pub fn empty_cache() -> Result<(), TchError> {
    // SAFETY: the C++ side catches every exception.
    checked(unsafe { longqa_empty_cache() })
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

/// `x` (on a CPU, f32 or half precision) with each element dropped with `probability`, the others scaled to
/// make up for it. One number is drawn from libtorch's generator. See `csrc/dropout.cpp`.
pub fn dropout(x: &Tensor, probability: f64) -> Result<Tensor, TchError> {
    let mut result = ptr::null_mut();
    // SAFETY: the pointer comes from a tensor borrowed for the whole call; without an error `result` is a
    // new tensor that nobody else owns.
    unsafe {
        checked(longqa_dropout(x.as_ptr(), probability, &mut result))?;
        Ok(Tensor::from_ptr(result))
    }
}

/// [`dropout`] of the softmax of `scores` over the last dimension, computed in f32, in the scores' kind.
pub fn softmax_dropout(scores: &Tensor, probability: f64) -> Result<Tensor, TchError> {
    let mut result = ptr::null_mut();
    // SAFETY: as for `dropout`.
    unsafe {
        checked(longqa_softmax_dropout(scores.as_ptr(), probability, &mut result))?;
        Ok(Tensor::from_ptr(result))
    }
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

/// What the cross-entropy of rows over a vocabulary is computed from.
pub struct Vocabulary<'a> {
    /// `[words, width]` f32.
    pub weight: &'a Tensor,
    /// `[words]` f32.
    pub bias: &'a Tensor,
}

/// The sum over all rows of the cross-entropy of `hidden` · weightᵀ + bias and the row's label, `[]` f32.
///
/// `hidden` is `[rows, width]` in the kind that products are computed in (softmax and sums are in 32 bits),
/// `labels` `[rows]` i64. The logits of `chunk_rows` rows are held at a time. Where gradients are wanted they
/// are computed here already, so that backward, which can be called once, only multiplies.
pub fn cross_entropy_sum(
    hidden: &Tensor,
    vocabulary: &Vocabulary,
    labels: &Tensor,
    chunk_rows: NonZeroU32,
) -> Result<Tensor, TchError> {
    let mut loss = ptr::null_mut();
    // SAFETY: the pointers come from tensors borrowed for the whole call, and what outlives it for
    // the backward pass holds references of its own; without an error `loss` is a new tensor that
    // nobody else owns.
    unsafe {
        checked(longqa_cross_entropy_sum(
            hidden.as_ptr(),
            vocabulary.weight.as_ptr(),
            vocabulary.bias.as_ptr(),
            labels.as_ptr(),
            chunk_rows.get().into(),
            &mut loss,
        ))?;
        Ok(Tensor::from_ptr(loss))
    }
}

/// A backward pass from `outputs` whose gradients are known: the i-th gradient is the i-th output's.
pub fn backward(outputs: &[&Tensor], gradients: &[&Tensor]) -> Result<(), TchError> {
    assert_eq!(outputs.len(), gradients.len(), "one gradient per output");
    let (outputs, gradients) = (pointers(outputs), pointers(gradients));
    // SAFETY: the pointers come from tensors borrowed for the whole call, and both lists are of the same length.
    checked(unsafe { longqa_backward(outputs.as_ptr(), gradients.as_ptr(), outputs.len()) })
}

/// Where libtorch's random generator of a device stands.
#[derive(Debug)]
pub struct GeneratorState(Tensor);

impl GeneratorState {
    /// That of the device that `tensor` is on.
    pub fn beside(tensor: &Tensor) -> Result<Self, TchError> {
        let mut state = ptr::null_mut();
        // SAFETY: the pointer comes from a tensor borrowed for the whole call; without an error `state` is a
        // new tensor that nobody else owns.
        unsafe {
            checked(longqa_generator_state(tensor.as_ptr(), &mut state))?;
            Ok(Self(Tensor::from_ptr(state)))
        }
    }

    /// Puts the generator of the device that `tensor` is on back there.
    pub fn restore_beside(&self, tensor: &Tensor) -> Result<(), TchError> {
        // SAFETY: both pointers come from tensors borrowed for the whole call.
        checked(unsafe { longqa_set_generator_state(tensor.as_ptr(), self.0.as_ptr()) })
    }
}

fn pointers(tensors: &[&Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}

fn checked(message: *mut c_char) -> Result<(), TchError> {
    said(message).map_err(TchError::Torch)
}

fn said(message: *mut c_char) -> Result<(), String> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message is a NUL-terminated string made by `strdup`, owned by us, freed once.
    unsafe {
        let words = text(message);
        longqa_free(message);
        Err(words)
    }
}

/// # Safety
/// `start` points to a text that ends with a NUL.
unsafe fn text(start: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned()
}

#[repr(C)]
struct RawGpu {
    name: [c_char; 256],
    pci_bus_id: [c_char; 32],
    total_bytes: u64,
}

unsafe extern "C" {
    fn _exit(code: i32) -> !;
    fn longqa_free(message: *mut c_char);
    fn longqa_driver_cuda(version: *mut i32) -> *mut c_char;
    fn longqa_runtime_cuda() -> i32;
    fn longqa_gpu_count(count: *mut i32) -> *mut c_char;
    fn longqa_gpu_of(number: i32, gpu: *mut RawGpu) -> *mut c_char;
    fn longqa_driver_version(version: *mut c_char, capacity: u32) -> *mut c_char;
    fn longqa_gpu_millijoules(pci_bus_id: *const c_char, millijoules: *mut u64) -> *mut c_char;
    fn longqa_open_library(path: *const c_char) -> *mut c_char;
    fn longqa_use_gpu(number: i32) -> *mut c_char;
    fn longqa_allow_tf32(allowed: bool) -> *mut c_char;
    fn longqa_synchronize(number: i32) -> *mut c_char;
    fn longqa_device_memory_of(number: i32, memory: *mut DeviceMemory) -> *mut c_char;
    fn longqa_reset_peak_memory(number: i32) -> *mut c_char;
    fn longqa_empty_cache() -> *mut c_char;
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
    fn longqa_dropout(x: *const C_tensor, probability: f64, result: *mut *mut C_tensor) -> *mut c_char;
    fn longqa_softmax_dropout(
        scores: *const C_tensor,
        probability: f64,
        result: *mut *mut C_tensor,
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
    fn longqa_cross_entropy_sum(
        hidden: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        labels: *const C_tensor,
        chunk_rows: i64,
        loss: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn longqa_backward(
        outputs: *const *const C_tensor,
        gradients: *const *const C_tensor,
        count: usize,
    ) -> *mut c_char;
    fn longqa_generator_state(on: *const C_tensor, state: *mut *mut C_tensor) -> *mut c_char;
    fn longqa_set_generator_state(on: *const C_tensor, state: *const C_tensor) -> *mut c_char;
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
    fn without_cuda_device_calls_are_errors_and_its_settings_can_be_made() {
        assert!(device_memory(0).is_err() && reset_peak_memory(0).is_err() && empty_cache().is_err());
        allow_tf32(true).and_then(|()| allow_tf32(false)).unwrap();
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
