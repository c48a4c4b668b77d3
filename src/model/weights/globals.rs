//! The Python names that a state dict may use, and what is built in their place.

use tch::Kind;

use super::entry::MOST_DIMENSIONS;
use super::error::PickleProblem;
use super::kind;
use super::pickle::{Arena, Object, Value, unexpected};

/// A name out of the list; there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor`, `_v2` (type from the storage) or `_v3` (type given)
    RebuildTensor(TensorVersion),
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// `torch.FloatStorage` and the like; `None` for the untyped storage, which holds bytes
    StorageClass(Option<Kind>),
    /// `torch.float32` and the like
    Dtype(Kind),
}

/// Which of the functions that rebuild a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TensorVersion {
    One,
    Two,
    Three,
}

/// A storage as a pickle names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StorageRecord<'a> {
    /// Names the storage's bytes inside the file.
    pub key: &'a str,
    /// The type of its elements; `None`: bytes.
    pub kind: Option<Kind>,
    /// The length of the bytes under `key`, in elements.
    pub elements: u64,
    /// The first of those elements that belong to this storage (more than 0 in very old files).
    pub view_offset: i64,
}

impl StorageRecord<'_> {
    /// Bytes per element.
    pub fn element_size(&self) -> u64 {
        self.kind.map_or(1, |kind| kind.elt_size_in_bytes() as u64)
    }

    /// Bytes under its key.
    pub fn byte_length(&self) -> Option<u64> {
        self.elements.checked_mul(self.element_size())
    }
}

/// A tensor as a pickle gives it: not checked against its storage yet.
#[derive(Debug, Clone)]
pub(super) struct TensorRecord<'a> {
    pub storage: StorageRecord<'a>,
    pub kind: Kind,
    /// In elements from the start of the bytes under the storage's key.
    pub offset: i64,
    pub shape: Vec<i64>,
    /// In elements.
    pub strides: Vec<i64>,
}

/// What `module.name` stands for.
pub(super) fn find(module: &str, name: &str) -> Result<Global, PickleProblem> {
    let global = match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor") => Some(Global::RebuildTensor(TensorVersion::One)),
        ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor(TensorVersion::Two)),
        ("torch._utils", "_rebuild_tensor_v3") => Some(Global::RebuildTensor(TensorVersion::Three)),
        ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
        ("torch.storage", "UntypedStorage" | "_UntypedStorage") | ("torch", "UntypedStorage") => {
            Some(Global::StorageClass(None))
        }
        ("torch", name) if name.ends_with("Storage") => match kind::from_storage_class(name) {
            Some(kind) => Some(Global::StorageClass(Some(kind))),
            None => return Err(PickleProblem::ElementType(format!("torch.{name}"))),
        },
        ("torch", name) => kind::from_dtype(name).map(Global::Dtype),
        _ => None,
    };
    let unknown = || PickleProblem::Global { module: module.to_owned(), name: name.to_owned() };
    global.ok_or_else(unknown)
}

/// What Python's `callable(*arguments)` would give.
pub(super) fn call<'a>(
    arena: &mut Arena<'a>,
    callable: Value<'a>,
    arguments: Value<'a>,
) -> Result<Value<'a>, PickleProblem> {
    let Some(values) = arena.tuple(arguments) else {
        return Err(unexpected("REDUCE", "a tuple of arguments", arena.describe(arguments)));
    };
    match callable {
        Value::Global(Global::OrderedDict) => match values {
            [] => Ok(arena.add(Object::Dict(Vec::new()))),
            _ => Err(unexpected("OrderedDict", "no arguments", arena.describe(arguments))),
        },
        Value::Global(Global::RebuildTensor(version)) => {
            let tensor = rebuild_tensor(arena, version, values)?;
            Ok(arena.add(Object::Tensor(tensor)))
        }
        Value::Global(Global::RebuildParameter) => match values {
            // (data, requires_grad, backward_hooks)
            &[data, _, _] if matches!(arena.object(data), Some(Object::Tensor(_))) => Ok(data),
            _ => Err(unexpected("_rebuild_parameter", "(tensor, bool, hooks)", arena.describe(arguments))),
        },
        other => Err(unexpected("REDUCE", "a function that rebuilds", arena.describe(other))),
    }
}

fn rebuild_tensor<'a>(
    arena: &Arena<'a>,
    version: TensorVersion,
    arguments: &[Value<'a>],
) -> Result<TensorRecord<'a>, PickleProblem> {
    let odd = |expected, value| unexpected("_rebuild_tensor", expected, arena.describe(value));
    // (storage, offset, size, stride); from version 2 on also requires_grad and backward_hooks,
    // in version 3 then the type; last, perhaps, metadata, which can only be flags for `conj`.
    let (&[storage, offset, size, stride], rest) = arguments.split_first_chunk().ok_or_else(|| {
        let found = format!("{} arguments", arguments.len());
        unexpected("_rebuild_tensor", "storage, offset, size and stride", found)
    })?;
    let Some(&Object::Storage(record)) = arena.object(storage) else {
        return Err(odd("a storage", storage));
    };
    let kind = match (version, rest) {
        (TensorVersion::One, []) | (TensorVersion::Two, [_, _]) => record.kind,
        (TensorVersion::Three, &[_, _, dtype]) => match dtype {
            Value::Global(Global::Dtype(kind)) => Some(kind),
            other => return Err(odd("a dtype", other)),
        },
        (_, rest) => {
            let found = format!("{} more arguments", rest.len());
            return Err(unexpected("_rebuild_tensor", "gradient flag and hooks, no metadata", found));
        }
    };
    let kind = kind.ok_or_else(|| odd("a storage with a type", storage))?;
    let Value::Int(offset) = offset else { return Err(odd("an int as offset", offset)) };
    // An offset counts elements of the tensor's type, a view's offset those of the storage's.
    let view_offset = match record.view_offset {
        0 => 0,
        some if record.kind == Some(kind) => some,
        _ => return Err(odd("a storage of the tensor's own type", storage)),
    };
    let offset = offset.checked_add(view_offset).ok_or_else(|| odd("an offset below 2^63", storage))?;
    let integers = |value| -> Result<Vec<i64>, PickleProblem> {
        let values = arena.tuple(value).filter(|values| values.len() <= MOST_DIMENSIONS);
        let values = values.ok_or_else(|| odd("a tuple of at most 16 ints", value))?;
        let integer = |&value: &Value<'a>| match value {
            Value::Int(value) => Ok(value),
            other => Err(odd("an int", other)),
        };
        values.iter().map(integer).collect()
    };
    Ok(TensorRecord { storage: record, kind, offset, shape: integers(size)?, strides: integers(stride)? })
}

/// What a persistent id stands for: `("storage", class, key, location, elements)`, in legacy files
/// followed by `None` or by `(key, offset, elements)` of a view.
pub(super) fn persistent_storage<'a>(
    arena: &Arena<'a>,
    id: Value<'a>,
) -> Result<StorageRecord<'a>, PickleProblem> {
    let odd = |expected, value| unexpected("BINPERSID", expected, arena.describe(value));
    let fields = arena.tuple(id).ok_or_else(|| odd("a tuple", id))?;
    let Some((&[tag, class, key, _location, elements], rest)) = fields.split_first_chunk() else {
        return Err(odd("(\"storage\", class, key, location, elements)", id));
    };
    if tag != Value::Text("storage") {
        return Err(odd("\"storage\"", tag));
    }
    let Value::Global(Global::StorageClass(kind)) = class else {
        return Err(odd("a storage class", class));
    };
    let Value::Text(key) = key else { return Err(odd("a str as key", key)) };
    let elements = match elements {
        Value::Int(count) => u64::try_from(count).map_err(|_| odd("0 or more elements", elements))?,
        other => return Err(odd("an int as number of elements", other)),
    };
    let view_offset = match *rest {
        [] | [Value::None] => 0,
        [view] => match arena.tuple(view) {
            Some(&[_, Value::Int(offset), Value::Int(_)]) if offset >= 0 => offset,
            _ => return Err(odd("a view: (key, offset, elements)", view)),
        },
        _ => return Err(odd("at most 6 fields", id)),
    };
    Ok(StorageRecord { key, kind, elements, view_offset })
}

/// Lets BUILD pass where all it sets is an ordered dict's `_metadata`: module versions, which
/// torch writes beside every state dict and which nothing here depends on.
pub(super) fn set_attributes<'a>(
    arena: &Arena<'a>,
    object: Value<'a>,
    state: Value<'a>,
) -> Result<(), PickleProblem> {
    if !matches!(arena.object(object), Some(Object::Dict(_))) {
        return Err(unexpected("BUILD", "an OrderedDict", arena.describe(object)));
    }
    let Some(Object::Dict(attributes)) = arena.object(state) else {
        return Err(unexpected("BUILD", "a dict of attributes", arena.describe(state)));
    };
    match attributes.iter().find(|(key, _)| *key != Value::Text("_metadata")) {
        Some(&(key, _)) => Err(unexpected("BUILD", "the attribute _metadata", arena.describe(key))),
        None => Ok(()),
    }
}
