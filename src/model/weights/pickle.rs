//! A pickle machine that knows tensors and containers and executes nothing.
//!
//! It follows `pickle` protocols 2 to 4 (PEP 307, PEP 3154) for the opcodes that a state dict
//! needs. A global is a name out of a short list ([`super::globals`]), never a thing to import;
//! REDUCE with one of them builds a value of this module. Everything else ends with an error that
//! says where and what. Values that contain others live in one arena, so neither deep nesting nor
//! cycles can exhaust the stack, and memory is bounded by the number of opcodes read.

use std::collections::HashMap;

use super::error::{PickleError, PickleProblem};
use super::globals::{self, Global, StorageRecord, TensorRecord};
use super::opcodes as op;

/// Opcodes read before giving up; a checkpoint of a thousand tensors takes some 50,000.
const MOST_OPCODES: u64 = 1 << 22;

/// A value on the machine's stack. `'a` is the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits: its little-endian two's complement bytes.
    Long(&'a [u8]),
    Float(f64),
    Text(&'a str),
    Global(Global),
    Object(Reference),
}

/// A place in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference(usize);

/// A value that contains others.
#[derive(Debug)]
pub(super) enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(StorageRecord<'a>),
    Tensor(TensorRecord<'a>),
}

/// A pickle that was read to its end.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    /// What STOP found on the stack.
    pub root: Value<'a>,
    /// Bytes read, STOP included.
    pub length: usize,
    pub arena: Arena<'a>,
}

/// All objects of one pickle.
#[derive(Debug, Default)]
pub(super) struct Arena<'a>(Vec<Object<'a>>);

impl<'a> Arena<'a> {
    pub fn add(&mut self, object: Object<'a>) -> Value<'a> {
        self.0.push(object);
        Value::Object(Reference(self.0.len() - 1))
    }

    pub fn object(&self, value: Value<'a>) -> Option<&Object<'a>> {
        match value {
            Value::Object(reference) => self.0.get(reference.0),
            _ => None,
        }
    }

    fn object_mut(&mut self, value: Value<'a>) -> Option<&mut Object<'a>> {
        match value {
            Value::Object(reference) => self.0.get_mut(reference.0),
            _ => None,
        }
    }

    pub fn tuple(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.object(value) {
            Some(Object::Tuple(values)) => Some(values),
            _ => None,
        }
    }

    /// The value in words, for messages.
    pub fn describe(&self, value: Value<'a>) -> String {
        match value {
            Value::None => "None".to_owned(),
            Value::Bool(value) => format!("the bool {value}"),
            Value::Int(value) => format!("the int {value}"),
            Value::Long(bytes) => format!("an int of {} bytes", bytes.len()),
            Value::Float(value) => format!("the float {value}"),
            Value::Text(text) => format!("the str {:?}", text.chars().take(80).collect::<String>()),
            Value::Global(global) => format!("the global {global:?}"),
            Value::Object(_) => match self.object(value) {
                Some(Object::Tuple(values)) => format!("a tuple of {}", values.len()),
                Some(Object::List(values)) => format!("a list of {}", values.len()),
                Some(Object::Dict(items)) => format!("a dict of {}", items.len()),
                Some(Object::Storage(_)) => "a storage".to_owned(),
                Some(Object::Tensor(_)) => "a tensor".to_owned(),
                None => "nothing".to_owned(),
            },
        }
    }
}

/// Reads one pickle from the start of `bytes`, which lie `offset` bytes into their file.
pub(super) fn read(bytes: &[u8], offset: u64) -> Result<Pickle<'_>, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        arena: Arena::default(),
    };
    let mut start = 0;
    let outcome = (0..MOST_OPCODES).find_map(|_| {
        start = machine.at;
        machine.step().transpose()
    });
    match outcome {
        Some(Ok(root)) => Ok(Pickle { root, length: machine.at, arena: machine.arena }),
        Some(Err(problem)) => Err(PickleError { offset: offset + start as u64, problem }),
        None => Err(PickleError { offset, problem: PickleProblem::TooLong(MOST_OPCODES) }),
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    arena: Arena<'a>,
}

impl<'a> Machine<'a> {
    /// Obeys one opcode; the root value when it is STOP.
    fn step(&mut self) -> Result<Option<Value<'a>>, PickleProblem> {
        let opcode = self.number::<1>()?[0];
        match opcode {
            op::PROTO => {
                let version = self.number::<1>()?[0];
                if !(2..=4).contains(&version) {
                    return Err(unexpected("PROTO", "protocol 2, 3 or 4", version.to_string()));
                }
            }
            op::FRAME => {
                self.take(8)?; // its length, of use to unbuffered readers only
            }
            op::STOP => return Ok(Some(self.pop("STOP")?)),

            op::NONE => self.stack.push(Value::None),
            op::NEWTRUE => self.stack.push(Value::Bool(true)),
            op::NEWFALSE => self.stack.push(Value::Bool(false)),
            op::BININT => {
                let value = i32::from_le_bytes(self.number()?);
                self.stack.push(Value::Int(value.into()));
            }
            op::BININT1 => {
                let value = u8::from_le_bytes(self.number()?);
                self.stack.push(Value::Int(value.into()));
            }
            op::BININT2 => {
                let value = u16::from_le_bytes(self.number()?);
                self.stack.push(Value::Int(value.into()));
            }
            op::LONG1 => {
                let length = self.number::<1>()?[0];
                let bytes = self.take(length.into())?;
                self.stack.push(integer(bytes));
            }
            op::BINFLOAT => {
                let value = f64::from_be_bytes(self.number()?);
                self.stack.push(Value::Float(value));
            }
            op::SHORT_BINUNICODE | op::SHORT_BINSTRING => {
                let length = self.number::<1>()?[0];
                self.push_text(length.into())?;
            }
            op::BINUNICODE | op::BINSTRING => {
                let length = u32::from_le_bytes(self.number()?);
                self.push_text(length as usize)?;
            }

            op::MARK => self.marks.push(self.stack.len()),
            op::EMPTY_TUPLE => self.push(Object::Tuple(Vec::new())),
            op::TUPLE => {
                let values = self.pop_to_mark("TUPLE")?;
                self.push(Object::Tuple(values));
            }
            op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                let length = usize::from(opcode - op::TUPLE1) + 1;
                let mut values = vec![Value::None; length];
                for value in values.iter_mut().rev() {
                    *value = self.pop(op::name(opcode))?;
                }
                self.push(Object::Tuple(values));
            }
            op::EMPTY_LIST => self.push(Object::List(Vec::new())),
            op::APPEND => {
                let value = self.pop("APPEND")?;
                self.extend_list("APPEND", vec![value])?;
            }
            op::APPENDS => {
                let values = self.pop_to_mark("APPENDS")?;
                self.extend_list("APPENDS", values)?;
            }
            op::EMPTY_DICT => self.push(Object::Dict(Vec::new())),
            op::SETITEM => {
                let value = self.pop("SETITEM")?;
                let key = self.pop("SETITEM")?;
                self.extend_dict("SETITEM", &[key, value])?;
            }
            op::SETITEMS => {
                let values = self.pop_to_mark("SETITEMS")?;
                self.extend_dict("SETITEMS", &values)?;
            }

            op::BINPUT => {
                let key = self.number::<1>()?[0];
                self.memoize("BINPUT", key.into())?;
            }
            op::LONG_BINPUT => {
                let key = u32::from_le_bytes(self.number()?);
                self.memoize("LONG_BINPUT", key)?;
            }
            op::MEMOIZE => self.memoize("MEMOIZE", self.memo.len() as u32)?,
            op::BINGET => {
                let key = self.number::<1>()?[0];
                self.recall("BINGET", key.into())?;
            }
            op::LONG_BINGET => {
                let key = u32::from_le_bytes(self.number()?);
                self.recall("LONG_BINGET", key)?;
            }

            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Global(globals::find(module, name)?));
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop("STACK_GLOBAL")?, self.pop("STACK_GLOBAL")?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    let found = self.arena.describe(name);
                    return Err(unexpected("STACK_GLOBAL", "a module and a name", found));
                };
                self.stack.push(Value::Global(globals::find(module, name)?));
            }
            op::REDUCE => {
                let (arguments, callable) = (self.pop("REDUCE")?, self.pop("REDUCE")?);
                let value = globals::call(&mut self.arena, callable, arguments)?;
                self.stack.push(value);
            }
            op::BINPERSID => {
                let id = self.pop("BINPERSID")?;
                let record = globals::persistent_storage(&self.arena, id)?;
                self.push(Object::Storage(record));
            }
            op::BUILD => {
                let (state, object) = (self.pop("BUILD")?, self.last("BUILD")?);
                globals::set_attributes(&self.arena, object, state)?;
            }
            code => return Err(PickleProblem::Opcode { name: op::name(code), code }),
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleProblem> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (expected, found) = (length as u64, rest.len() as u64);
        let taken = rest.get(..length).ok_or(PickleProblem::CutShort { expected, found })?;
        self.at += length;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], PickleProblem> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn push_text(&mut self, length: usize) -> Result<(), PickleProblem> {
        let bytes = self.take(length)?;
        let text =
            std::str::from_utf8(bytes).map_err(|error| unexpected("a string", "UTF-8", error.to_string()))?;
        self.stack.push(Value::Text(text));
        Ok(())
    }

    /// Text up to a line feed.
    fn line(&mut self) -> Result<&'a str, PickleProblem> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (expected, found) = (rest.len() as u64 + 1, rest.len() as u64);
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or(PickleProblem::CutShort { expected, found })?)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|error| unexpected("GLOBAL", "UTF-8", error.to_string()))
    }

    fn push(&mut self, object: Object<'a>) {
        let value = self.arena.add(object);
        self.stack.push(value);
    }

    /// The height below which an opcode may not reach: the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self, what: &'static str) -> Result<Value<'a>, PickleProblem> {
        let value = self.last(what)?;
        self.stack.pop();
        Ok(value)
    }

    fn last(&self, what: &'static str) -> Result<Value<'a>, PickleProblem> {
        let above = self.stack.get(self.floor()..).unwrap_or_default();
        above.last().copied().ok_or_else(|| unexpected(what, "a value", "an empty stack".to_owned()))
    }

    fn pop_to_mark(&mut self, what: &'static str) -> Result<Vec<Value<'a>>, PickleProblem> {
        let mark = self.marks.pop();
        let mark = mark.ok_or_else(|| unexpected(what, "a MARK", "none".to_owned()))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn extend_list(&mut self, what: &'static str, values: Vec<Value<'a>>) -> Result<(), PickleProblem> {
        let target = self.last(what)?;
        match self.arena.object_mut(target) {
            Some(Object::List(list)) => {
                list.extend(values);
                Ok(())
            }
            _ => Err(unexpected(what, "a list", self.arena.describe(target))),
        }
    }

    fn extend_dict(&mut self, what: &'static str, values: &[Value<'a>]) -> Result<(), PickleProblem> {
        let (pairs, []) = values.as_chunks::<2>() else {
            return Err(unexpected(what, "keys with values", format!("{} values", values.len())));
        };
        let target = self.last(what)?;
        match self.arena.object_mut(target) {
            Some(Object::Dict(items)) => {
                items.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err(unexpected(what, "a dict", self.arena.describe(target))),
        }
    }

    fn memoize(&mut self, what: &'static str, key: u32) -> Result<(), PickleProblem> {
        let value = self.last(what)?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, what: &'static str, key: u32) -> Result<(), PickleProblem> {
        let value = self.memo.get(&key).copied();
        let found = || unexpected(what, "a value memoized before", format!("number {key}"));
        self.stack.push(value.ok_or_else(found)?);
        Ok(())
    }
}

pub(super) fn unexpected(what: &'static str, expected: &'static str, found: String) -> PickleProblem {
    PickleProblem::Unexpected { what, expected, found }
}

/// A little-endian two's complement integer of any length.
fn integer(bytes: &[u8]) -> Value<'_> {
    if bytes.len() > 8 {
        return Value::Long(bytes);
    }
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut wide = if negative { [0xff; 8] } else { [0; 8] };
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}
