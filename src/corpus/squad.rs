//! The SQuAD v1.1 layout: `{"data": [{"paragraphs": [{"context", "qas": [{"id", "question",
//! "answers": [{"text", "answer_start"}]}]}]}]}`. SQuAD 1.1 itself, XQuAD, MLQA and TyDi QA's gold
//! passages come in it.
//!
//! Given a path, it gives back a [`QaDataset`] or says what is wrong and where. Keys it does not
//! know (`title`, `version`) are left alone. A missing or empty `answers` means unlabelled data.
//!
//! Some published training files are off by a character or two in places. Such an answer is taken
//! from where it stands, and each file's are counted and told once. An answer that is not there
//! either is an error, not a question to drop: of the 63,000 answers of SQuAD dev, XQuAD and TyDi QA
//! dev not one is misplaced at all, so a file that has one is damaged or counts something other than
//! characters.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::CorpusError;
use super::qa::{Answer, QaDataset, Question};

const LAYOUT: &str = "a JSON file in the SQuAD v1.1 layout";
/// Where an answer is looked for, in characters from its `answer_start`: the nearest place first.
const STEPS: [i64; 5] = [0, -1, 1, -2, 2];

/// Reads a whole file.
pub fn read(path: &Path) -> Result<QaDataset, CorpusError> {
    let bytes = fs::read(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })?;
    parse(path, &bytes)
}

/// Reads the bytes of a file; `path` is named in errors.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<QaDataset, CorpusError> {
    let (dataset, moved) = parse_counting(path, bytes)?;
    if moved > 0 {
        let answers: usize = dataset.questions.iter().map(|question| question.answers.len()).sum();
        tracing::warn!(
            "{}: {moved} of {answers} answers stand one or two characters beside their answer_start; \
             they are taken from where they stand",
            path.display()
        );
    }
    Ok(dataset)
}

/// As [`parse`], with the number of answers that stand beside their `answer_start`.
fn parse_counting(path: &Path, bytes: &[u8]) -> Result<(QaDataset, usize), CorpusError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(CorpusError::Empty { path: path.to_owned(), expected: LAYOUT });
    }
    let mut reader = Reader { path, dataset: QaDataset::default(), places: HashMap::new(), moved: 0 };
    reader.file(json(path, bytes)?)?;
    Ok((reader.dataset, reader.moved))
}

/// The bytes of a file as JSON of any shape.
pub(super) fn json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, CorpusError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| CorpusError::not_utf8(path, bytes, error.valid_up_to()))?;
    serde_json::from_str(text).map_err(|error| CorpusError::of_json(path, LAYOUT, &error))
}

/// A JSON object and its place in the file. Fields are taken out of it, so that long texts are
/// moved and not copied.
struct Object {
    at: String,
    fields: Map<String, Value>,
}

struct Reader<'a> {
    path: &'a Path,
    dataset: QaDataset,
    /// Where each question id was first seen.
    places: HashMap<String, String>,
    /// Answers that stand beside their `answer_start`.
    moved: usize,
}

impl Reader<'_> {
    fn file(&mut self, value: Value) -> Result<(), CorpusError> {
        let mut file = self.object("$".to_owned(), value)?;
        for mut article in self.objects(&mut file, "data")? {
            for mut paragraph in self.objects(&mut article, "paragraphs")? {
                self.paragraph(&mut paragraph)?;
            }
        }
        match self.dataset.questions.is_empty() {
            true => Err(self.schema("$.data", "at least one question", "none".to_owned())),
            false => Ok(()),
        }
    }

    fn paragraph(&mut self, paragraph: &mut Object) -> Result<(), CorpusError> {
        let context = self.string(paragraph, "context")?;
        for mut question in self.objects(paragraph, "qas")? {
            let id = self.string(&mut question, "id")?;
            if let Some(first) = self.places.insert(id.clone(), question.at.clone()) {
                return Err(CorpusError::DuplicateId {
                    path: self.path.to_owned(),
                    id,
                    first,
                    second: question.at,
                });
            }
            let text = self.string(&mut question, "question")?;
            let mut answers = Vec::new();
            if question.fields.get("answers").is_some_and(|value| !value.is_null()) {
                for mut answer in self.objects(&mut question, "answers")? {
                    answers.push(self.answer(&mut answer, &context)?);
                }
            }
            let question = Question { id, text, context: self.dataset.contexts.len(), answers };
            self.dataset.questions.push(question);
        }
        self.dataset.contexts.push(context);
        Ok(())
    }

    fn answer(&mut self, answer: &mut Object, context: &str) -> Result<Answer, CorpusError> {
        let text = self.string(answer, "text")?;
        let value = self.field(answer, "answer_start")?;
        let Some(start) = value.as_u64() else {
            let at = format!("{}.answer_start", answer.at);
            return Err(self.schema(&at, "a number of characters, 0 or more", describe(&value)));
        };
        let Some(place) = place_of(&text, context, start) else {
            let there = usize::try_from(start).ok().and_then(|start| from_character(context, start));
            let found = there.unwrap_or("").chars().take(text.chars().count()).collect();
            let (path, at) = (self.path.to_owned(), answer.at.clone());
            return Err(CorpusError::MisplacedAnswer { path, at, start, expected: text, found });
        };
        self.moved += usize::from(place as u64 != start);
        Ok(Answer { text, start: place })
    }

    fn object(&self, at: String, value: Value) -> Result<Object, CorpusError> {
        match value {
            Value::Object(fields) => Ok(Object { at, fields }),
            other => Err(self.schema(&at, "an object", describe(&other))),
        }
    }

    fn objects(&self, parent: &mut Object, key: &str) -> Result<Vec<Object>, CorpusError> {
        let at = format!("{}.{key}", parent.at);
        match self.field(parent, key)? {
            Value::Array(values) => values
                .into_iter()
                .enumerate()
                .map(|(index, value)| self.object(format!("{at}[{index}]"), value))
                .collect(),
            other => Err(self.schema(&at, "an array", describe(&other))),
        }
    }

    fn string(&self, parent: &mut Object, key: &str) -> Result<String, CorpusError> {
        match self.field(parent, key)? {
            Value::String(text) => Ok(text),
            other => Err(self.schema(&format!("{}.{key}", parent.at), "a string", describe(&other))),
        }
    }

    fn field(&self, parent: &mut Object, key: &str) -> Result<Value, CorpusError> {
        parent.fields.get_mut(key).map(Value::take).ok_or_else(|| {
            let keys: Vec<&str> = parent.fields.keys().map(String::as_str).collect();
            let found = format!("no such key among [{}]", keys.join(", "));
            self.schema(&format!("{}.{key}", parent.at), "a value", found)
        })
    }

    fn schema(&self, at: &str, expected: &'static str, found: String) -> CorpusError {
        CorpusError::Schema { path: self.path.to_owned(), at: at.to_owned(), expected, found }
    }
}

/// The character of `context` at which `text` stands: `start`, or the nearest within two of it.
fn place_of(text: &str, context: &str, start: u64) -> Option<usize> {
    let mut places = STEPS.into_iter().filter_map(|step| start.checked_add_signed(step)?.try_into().ok());
    let stands_at =
        |place: &usize| from_character(context, *place).is_some_and(|rest| rest.starts_with(text));
    places.find(stands_at)
}

/// `text` from its character number `start` on; none if it has no such character.
fn from_character(text: &str, start: usize) -> Option<&str> {
    let (byte, _) = text.char_indices().nth(start)?;
    text.get(byte..)
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the string {:?}", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(text: impl AsRef<[u8]>) -> Result<QaDataset, CorpusError> {
        parse(Path::new("dev.json"), text.as_ref())
    }

    fn file(qas: Value) -> String {
        json!({"version": "1.1", "data": [{"title": "T", "paragraphs": [
            {"context": "नमस्ते Oslo", "qas": qas}
        ]}]})
        .to_string()
    }

    fn question(id: &str, answer: &str, start: i64) -> Value {
        json!({"id": id, "question": "Where?", "answers": [{"text": answer, "answer_start": start}]})
    }

    #[test]
    fn answers_are_found_by_characters_and_not_by_bytes() {
        let dataset = parsed(file(json!([question("a", "Oslo", 7), question("b", "नमस्ते", 0)]))).unwrap();
        assert_eq!(dataset.contexts, ["नमस्ते Oslo"]);
        assert_eq!(dataset.questions.len(), 2);
        assert_eq!(dataset.questions[0].answers, [Answer { text: "Oslo".into(), start: 7 }]);
        assert_eq!(dataset.questions[0].answers[0].end(), 11);
        assert_eq!(dataset.context_of(&dataset.questions[1]), "नमस्ते Oslo");
    }

    #[test]
    fn unlabelled_questions_are_read() {
        let qas = json!([{"id": "a", "question": "?"}, {"id": "b", "question": "?", "answers": []}]);
        assert!(parsed(file(qas)).unwrap().questions.iter().all(|question| question.answers.is_empty()));
    }

    #[test]
    fn a_file_cut_anywhere_says_that_it_is_cut() {
        let text = file(json!([question("a", "Oslo", 7)]));
        for end in 1..text.len() {
            let error = parsed(&text.as_bytes()[..end]).unwrap_err();
            let cut_inside_a_letter = std::str::from_utf8(&text.as_bytes()[..end]).is_err();
            match error {
                CorpusError::Truncated { line: 1, .. } => assert!(!cut_inside_a_letter),
                CorpusError::NotUtf8 { .. } => assert!(cut_inside_a_letter),
                other => panic!("{end}: {other}"),
            }
        }
    }

    #[test]
    fn an_empty_file_is_named() {
        assert!(matches!(parsed(""), Err(CorpusError::Empty { .. })));
        assert!(parsed(" \n").unwrap_err().to_string().starts_with("dev.json: expected a JSON file"));
    }

    #[test]
    fn a_byte_that_is_no_utf8_is_pointed_at() {
        let error = parsed(b"{\n\"data\": \"\xff\"}").unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 11, line: 2, found: 0xff, .. }), "{error}");
    }

    #[test]
    fn text_that_is_no_json_is_pointed_at() {
        let error = parsed("{\n  nonsense").unwrap_err();
        assert!(matches!(error, CorpusError::NotJson { line: 2, column: 3, .. }), "{error}");
    }

    #[test]
    fn a_wrong_schema_names_the_place_the_expected_and_the_found() {
        let at = |text: String| match parsed(text).unwrap_err() {
            CorpusError::Schema { at, expected, found, .. } => (at, expected, found),
            other => panic!("{other}"),
        };
        assert_eq!(at("[]".into()), ("$".into(), "an object", "an array".into()));
        assert_eq!(at(r#"{"rows": 1}"#.into()).2, "no such key among [rows]");
        assert_eq!(at(r#"{"data": []}"#.into()), ("$.data".into(), "at least one question", "none".into()));
        let (place, expected, found) = at(file(json!([question("a", "Oslo", 7), {"id": 5}])));
        assert_eq!(place, "$.data[0].paragraphs[0].qas[1].id");
        assert_eq!((expected, found.as_str()), ("a string", "5"));
        let (place, _, found) = at(file(json!([question("a", "Oslo", -1)])));
        assert_eq!(place, "$.data[0].paragraphs[0].qas[0].answers[0].answer_start");
        assert_eq!(found, "-1");
    }

    #[test]
    fn two_questions_with_one_id_are_refused() {
        let error = parsed(file(json!([question("a", "Oslo", 7), question("a", "Oslo", 7)]))).unwrap_err();
        match error {
            CorpusError::DuplicateId { id, first, second, .. } => {
                assert_eq!(id, "a");
                assert!(first.ends_with("qas[0]") && second.ends_with("qas[1]"));
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn an_answer_one_or_two_characters_beside_its_place_is_taken_from_where_it_stands_and_counted() {
        let counted = |start| {
            let text = file(json!([question("a", "Oslo", start), question("b", "नमस्ते", 0)]));
            let (dataset, moved) = parse_counting(Path::new("dev.json"), text.as_bytes()).unwrap();
            assert_eq!(dataset.questions[0].answers, [Answer { text: "Oslo".into(), start: 7 }]);
            assert_eq!(dataset.questions[1].answers, [Answer { text: "नमस्ते".into(), start: 0 }]);
            moved
        };
        assert_eq!([5, 6, 7, 8, 9].map(counted), [1, 1, 0, 1, 1]);
    }

    #[test]
    fn of_several_places_the_nearest_counts() {
        for (context, start, place) in [
            ("aaa", 1, Some(1)),
            ("axaa", 1, Some(0)),
            ("axxaa", 2, Some(3)),
            ("axxxx", 2, Some(0)),
            ("xxa", 0, Some(2)),
            ("a", 2, Some(0)),
            ("xxxa", 0, None),
            ("a", 3, None),
            ("a", u64::MAX, None),
        ] {
            assert_eq!(place_of("a", context, start), place, "{context} {start}");
        }
    }

    #[test]
    fn an_answer_that_is_not_where_the_file_says_is_refused() {
        // 19 is where "Oslo" begins in bytes; 4 and 10 are three characters away from it.
        for (start, there) in [(4, "ते O"), (10, "o"), (19, ""), (i64::MAX, "")] {
            match parsed(file(json!([question("a", "Oslo", start)]))).unwrap_err() {
                CorpusError::MisplacedAnswer { expected, found, .. } => {
                    assert_eq!((expected.as_str(), found.as_str()), ("Oslo", there));
                }
                other => panic!("{other}"),
            }
        }
    }
}
