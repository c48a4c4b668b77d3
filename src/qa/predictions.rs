//! Answers as files, in the layout of the official scripts: `predictions.json` (question id → text)
//! and `nbest_predictions.json` (question id → list of candidates, best first), both in the order
//! of the data set, so that any public scorer reads them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

use super::QaError;
use super::decode::NbestAnswer;
use crate::durable;

/// One answer text per question id, in insertion order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Predictions {
    texts: Vec<(String, String)>,
    places: HashMap<String, usize>,
}

impl Predictions {
    /// Reads a `predictions.json`. Of an id that stands there twice the last text counts, as in Python.
    ///
    /// # Errors
    /// [`QaError::Read`], and [`QaError::Layout`] for anything but one JSON object of strings. (A lone
    /// surrogate escape such as `"\ud800"` is no text either.)
    pub fn read(path: &Path) -> Result<Self, QaError> {
        read_json(path, "one JSON object, question id to answer text")
    }

    /// Writes a `predictions.json`.
    ///
    /// # Errors
    /// [`QaError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), QaError> {
        write_json(path, self)
    }

    /// The answer to the question `id`.
    pub fn get(&self, id: &str) -> Option<&str> {
        self.places.get(id).and_then(|place| self.texts.get(*place)).map(|(_, text)| text.as_str())
    }

    /// Ids and texts in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.texts.iter().map(|(id, text)| (id.as_str(), text.as_str()))
    }

    /// How many questions are answered.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether no question is answered.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    fn insert(&mut self, id: String, text: String) {
        match self.places.get(&id).and_then(|place| self.texts.get_mut(*place)) {
            Some(entry) => entry.1 = text,
            None => {
                self.places.insert(id.clone(), self.texts.len());
                self.texts.push((id, text));
            }
        }
    }
}

impl FromIterator<(String, String)> for Predictions {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(entries: I) -> Self {
        let mut predictions = Self::default();
        entries.into_iter().for_each(|(id, text)| predictions.insert(id, text));
        predictions
    }
}

/// The candidates of each question, best first, in the data set's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NbestPredictions {
    /// Question id and candidates.
    pub questions: Vec<(String, Vec<NbestAnswer>)>,
}

impl NbestPredictions {
    /// Reads an `nbest_predictions.json`.
    ///
    /// # Errors
    /// [`QaError::Read`] and [`QaError::Layout`].
    pub fn read(path: &Path) -> Result<Self, QaError> {
        read_json(path, "one JSON object, question id to a list of candidates")
    }

    /// Writes an `nbest_predictions.json`.
    ///
    /// # Errors
    /// [`QaError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), QaError> {
        write_json(path, self)
    }

    /// Each question's best candidate's text; empty where a question has no candidate.
    pub fn best(&self) -> Predictions {
        let first =
            |candidates: &[NbestAnswer]| candidates.first().map_or(String::new(), |best| best.text.clone());
        self.questions.iter().map(|(id, candidates)| (id.clone(), first(candidates))).collect()
    }
}

/// Reads question ids, a JSON list of them.
///
/// # Errors
/// [`QaError::Read`] and [`QaError::Layout`].
pub fn read_ids(path: &Path) -> Result<HashSet<String>, QaError> {
    read_json(path, "one JSON list of question ids")
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path, expected: &'static str) -> Result<T, QaError> {
    let bytes = fs::read(path).map_err(|source| QaError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| QaError::Layout {
        path: path.to_owned(),
        expected,
        source,
    })
}

/// Four spaces per level, as the official scripts write.
fn write_json(path: &Path, value: &impl Serialize) -> Result<(), QaError> {
    Ok(durable::write_with(path, |file| {
        let layout = PrettyFormatter::with_indent(b"    ");
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut *file, layout))?;
        file.write_all(b"\n")
    })?)
}

impl Serialize for Predictions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Serialize for NbestPredictions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.questions.len()))?;
        for (id, candidates) in &self.questions {
            map.serialize_entry(id, candidates)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Predictions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Predictions;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Predictions, A::Error> {
                let mut predictions = Predictions::default();
                while let Some((id, value)) = map.next_entry::<String, Value>()? {
                    let found = match value {
                        Value::String(text) => {
                            predictions.insert(id, text);
                            continue;
                        }
                        Value::Null => "null",
                        Value::Bool(_) => "a boolean",
                        Value::Number(_) => "a number",
                        Value::Array(_) => "a list",
                        Value::Object(_) => "an object",
                    };
                    return Err(A::Error::custom(format!(
                        "answer to {id:?}: expected a string, found {found}"
                    )));
                }
                Ok(predictions)
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

impl<'de> Deserialize<'de> for NbestPredictions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Candidates;
        impl<'de> Visitor<'de> for Candidates {
            type Value = NbestPredictions;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of lists")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NbestPredictions, A::Error> {
                let mut questions = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    questions.push(entry);
                }
                Ok(NbestPredictions { questions })
            }
        }
        deserializer.deserialize_map(Candidates)
    }
}
