//! Element types under their three names: safetensors (`F32`), torch dtype (`float32`) and
//! legacy torch storage class (`FloatStorage`).

use tch::Kind;

/// One row per supported type: tch kind, safetensors, dtype, storage class. The order is
/// safetensors' order of alignment, largest first, in which its files are laid out.
const NAMES: [(Kind, &str, &str, &str); 8] = [
    (Kind::Int64, "I64", "int64", "LongStorage"),
    (Kind::Double, "F64", "float64", "DoubleStorage"),
    (Kind::Float, "F32", "float32", "FloatStorage"),
    (Kind::Int, "I32", "int32", "IntStorage"),
    (Kind::BFloat16, "BF16", "bfloat16", "BFloat16Storage"),
    (Kind::Half, "F16", "float16", "HalfStorage"),
    (Kind::Uint8, "U8", "uint8", "ByteStorage"),
    (Kind::Bool, "BOOL", "bool", "BoolStorage"),
];

/// The type that a safetensors header calls `name`.
pub(super) fn from_safetensors(name: &str) -> Option<Kind> {
    NAMES.iter().find(|row| row.1 == name).map(|row| row.0)
}

/// The type of `torch.<name>`.
pub(super) fn from_dtype(name: &str) -> Option<Kind> {
    NAMES.iter().find(|row| row.2 == name).map(|row| row.0)
}

/// The type of the elements in a `torch.<name>` storage.
pub(super) fn from_storage_class(name: &str) -> Option<Kind> {
    NAMES.iter().find(|row| row.3 == name).map(|row| row.0)
}

/// What safetensors calls `kind`, and its place in the layout (0 first).
pub(super) fn to_safetensors(kind: Kind) -> Option<(usize, &'static str)> {
    NAMES.iter().enumerate().find(|(_, row)| row.0 == kind).map(|(place, row)| (place, row.1))
}

/// All names that safetensors headers may use here, for messages.
pub(super) fn safetensors_names() -> String {
    NAMES.map(|row| row.1).join(", ")
}
