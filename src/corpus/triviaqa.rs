//! TriviaQA (Joshi et al. 2017): questions with documents that may answer them, and the names that
//! an answer may go by. `qa/*.json` holds questions, `evidence/wikipedia/` and `evidence/web/` beside
//! it the documents.
//!
//! Given the path of a `qa/*.json`, [`read`] gives back its questions or says what is wrong with which
//! of them; keys that nothing needs (titles, snippets, addresses) are passed over as the file streams
//! by. Documents stay on the disk until [`Evidence::text`] is asked for one.
//!
//! The rules are those of the official `utils/dataset_utils.py`. A `verified-*.json` (`VerifiedEval` is
//! true) counts only for its questions with `QuestionPartOfVerifiedEval` and, if it is of the web, for
//! their documents with `DocPartOfVerifiedEval`. A document that a question names must be there: the
//! official conversion stops at a missing one too, so the archive has none.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::error::CorpusError;
use crate::digest::Digest;
use crate::durable;

const LAYOUT: &str = "a JSON file in TriviaQA's layout";

/// Where the documents of a file come from; it decides what its predictions are filed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// Wikipedia pages; one prediction for each question.
    Wikipedia,
    /// Wikipedia pages and pages of the web; one prediction for each question and document.
    Web,
}

/// The content of one `qa/*.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriviaQa {
    /// The key `Domain`.
    pub domain: Domain,
    /// In file order.
    pub questions: Vec<TriviaQuestion>,
}

/// One question and where to look for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriviaQuestion {
    /// `QuestionId`.
    pub id: String,
    /// `Question`.
    pub text: String,
    /// `Answer`; none in the test files.
    pub answer: Option<TriviaAnswer>,
    /// `EntityPages`, then `SearchResults`; each document once.
    pub documents: Vec<Evidence>,
}

/// What counts as a right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriviaAnswer {
    /// `NormalizedAliases`; at least one.
    pub normalized_aliases: Vec<String>,
    /// `HumanAnswers`, where the file has them.
    pub human_answers: Vec<String>,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// `Filename`, a path below `evidence/wikipedia/` or `evidence/web/`.
    pub file_name: String,
    /// Which of the two.
    pub source: Domain,
}

impl TriviaQuestion {
    /// The name under which the official scorer looks for the answer from `document`, in files of the
    /// web.
    pub fn document_key(&self, document: &Evidence) -> String {
        format!("{}--{}", self.id, document.file_name)
    }
}

impl Evidence {
    /// The file of the document, for a question of `qa_file`.
    pub fn path(&self, qa_file: &Path) -> PathBuf {
        evidence_folder(qa_file, self.source).join(&self.file_name)
    }

    /// The document, which question `id` of `qa_file` names.
    ///
    /// # Errors
    /// [`CorpusError::MissingDocument`], [`CorpusError::NotUtf8`], [`CorpusError::Read`].
    pub fn text(&self, qa_file: &Path, id: &str) -> Result<String, CorpusError> {
        let path = self.path(qa_file);
        let bytes = fs::read(&path).map_err(|error| unreadable(qa_file, id, &path, error))?;
        String::from_utf8(bytes)
            .map_err(|error| CorpusError::not_utf8(&path, error.as_bytes(), error.utf8_error().valid_up_to()))
    }

    /// The digest of the document, which question `id` of `qa_file` names.
    ///
    /// # Errors
    /// [`CorpusError::MissingDocument`], [`CorpusError::Read`].
    pub fn digest(&self, qa_file: &Path, id: &str) -> Result<Digest, CorpusError> {
        let path = self.path(qa_file);
        Digest::of_file(&path).map_err(|error| unreadable(qa_file, id, &path, error))
    }
}

fn unreadable(qa_file: &Path, id: &str, document: &Path, error: io::Error) -> CorpusError {
    let document = document.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => {
            CorpusError::MissingDocument { path: qa_file.to_owned(), id: id.to_owned(), document }
        }
        _ => CorpusError::Read { path: document, source: error },
    }
}

/// `ROOT/evidence/wikipedia` or `ROOT/evidence/web` for `ROOT/qa/x.json`.
pub fn evidence_folder(qa_file: &Path, source: Domain) -> PathBuf {
    let qa = durable::parent(qa_file);
    let root = match qa.file_name() {
        Some(_) => durable::parent(qa).to_owned(),
        None => qa.join(".."),
    };
    root.join("evidence").join(match source {
        Domain::Wikipedia => "wikipedia",
        Domain::Web => "web",
    })
}

/// Reads the questions of a `qa/*.json`.
///
/// # Errors
/// A file that is no JSON or of another shape; a question with an id that another one has, or with an
/// answer that has no alias. All name the file and the question.
pub fn read(path: &Path) -> Result<TriviaQa, CorpusError> {
    let file = File::open(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })?;
    let file = serde_json::from_reader::<_, JsonFile>(BufReader::with_capacity(1 << 16, file))
        .map_err(|error| CorpusError::of_json(path, LAYOUT, &error))?;
    let mut reader = Reader { path, places: HashMap::new(), repeated: 0 };
    let read = reader.file(file)?;
    if reader.repeated > 0 {
        tracing::warn!(
            "{}: {} documents are named twice by one question; they count once",
            path.display(),
            reader.repeated
        );
    }
    Ok(read)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonFile {
    domain: Option<String>,
    verified_eval: Option<bool>,
    data: Option<Vec<JsonQuestion>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonQuestion {
    question_id: Option<String>,
    question: Option<String>,
    question_part_of_verified_eval: Option<bool>,
    answer: Option<JsonAnswer>,
    entity_pages: Option<Vec<JsonDocument>>,
    search_results: Option<Vec<JsonDocument>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonAnswer {
    normalized_aliases: Option<Vec<String>>,
    human_answers: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonDocument {
    filename: Option<String>,
    doc_part_of_verified_eval: Option<bool>,
}

struct Reader<'a> {
    path: &'a Path,
    /// Where each question id was first seen.
    places: HashMap<String, usize>,
    /// Documents that a question names again.
    repeated: usize,
}

impl Reader<'_> {
    fn file(&mut self, file: JsonFile) -> Result<TriviaQa, CorpusError> {
        let domain = match self.present("$.Domain", file.domain)?.as_str() {
            "Wikipedia" => Domain::Wikipedia,
            "Web" => Domain::Web,
            other => return Err(self.schema("$.Domain", "Wikipedia or Web", format!("{other:?}"))),
        };
        let verified = file.verified_eval.unwrap_or(false);
        let mut questions = Vec::new();
        for (place, question) in self.present("$.Data", file.data)?.into_iter().enumerate() {
            let part = !verified || question.question_part_of_verified_eval.unwrap_or(false);
            let question = self.question(place, question, verified && domain == Domain::Web)?;
            if part {
                questions.push(question);
            }
        }
        match questions.is_empty() {
            true => Err(self.schema("$.Data", "at least one question", "none".to_owned())),
            false => Ok(TriviaQa { domain, questions }),
        }
    }

    fn question(
        &mut self,
        place: usize,
        question: JsonQuestion,
        verified_documents_only: bool,
    ) -> Result<TriviaQuestion, CorpusError> {
        let id = self.present(&format!("$.Data[{place}].QuestionId"), question.question_id)?;
        if let Some(first) = self.places.insert(id.clone(), place) {
            return Err(CorpusError::DuplicateId {
                path: self.path.to_owned(),
                id,
                first: format!("$.Data[{first}]"),
                second: format!("$.Data[{place}]"),
            });
        }
        let at = |key: &str| format!("question {id:?}: {key}");
        let text = self.present(&at("Question"), question.question)?;
        let answer = question.answer.map(|answer| self.answer(&id, answer)).transpose()?;
        let mut documents = Vec::new();
        let mut seen = HashSet::new();
        for (key, source, listed) in [
            ("EntityPages", Domain::Wikipedia, question.entity_pages),
            ("SearchResults", Domain::Web, question.search_results),
        ] {
            for document in listed.unwrap_or_default() {
                let file_name = self.present(&at(&format!("{key}: Filename")), document.filename)?;
                if !stays_below(&file_name) {
                    let expected = "a path below the evidence folder";
                    return Err(self.schema(&at(&format!("{key}: Filename")), expected, file_name));
                }
                if verified_documents_only && !document.doc_part_of_verified_eval.unwrap_or(false) {
                    continue;
                }
                let document = Evidence { file_name, source };
                match seen.insert(document.clone()) {
                    true => documents.push(document),
                    false => self.repeated += 1,
                }
            }
        }
        Ok(TriviaQuestion { id, text, answer, documents })
    }

    fn answer(&self, id: &str, answer: JsonAnswer) -> Result<TriviaAnswer, CorpusError> {
        let at = format!("question {id:?}: Answer.NormalizedAliases");
        let normalized_aliases = self.present(&at, answer.normalized_aliases)?;
        if normalized_aliases.is_empty() {
            return Err(CorpusError::NoAliases { path: self.path.to_owned(), id: id.to_owned() });
        }
        Ok(TriviaAnswer { normalized_aliases, human_answers: answer.human_answers.unwrap_or_default() })
    }

    fn present<T>(&self, at: &str, value: Option<T>) -> Result<T, CorpusError> {
        value.ok_or_else(|| self.schema(at, "a value", "none".to_owned()))
    }

    fn schema(&self, at: &str, expected: &'static str, found: String) -> CorpusError {
        CorpusError::Schema { path: self.path.to_owned(), at: at.to_owned(), expected, found }
    }
}

fn stays_below(file_name: &str) -> bool {
    let mut parts = Path::new(file_name).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(file: &Value) -> Result<TriviaQa, CorpusError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        fs::write(&path, file.to_string()).unwrap();
        read(&path)
    }

    fn file(domain: &str, questions: &[Value]) -> Value {
        json!({"Data": questions, "Domain": domain, "Split": "dev", "VerifiedEval": false, "Version": 1.0})
    }

    fn question(id: &str) -> Value {
        json!({
            "QuestionId": id, "Question": "Where?", "QuestionSource": "http://example.org/",
            "Answer": {"NormalizedAliases": ["york"], "Aliases": ["York"], "Type": "WikipediaEntity"},
            "EntityPages": [{"Filename": "York.txt", "Title": "York", "DocSource": "TagMe"}],
            "SearchResults": [{"Filename": "1/1_2.txt", "Rank": 4}],
        })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut question = question("tc_1");
        question[key] = value;
        question
    }

    fn documents(question: &TriviaQuestion) -> Vec<(&str, Domain)> {
        question.documents.iter().map(|document| (document.file_name.as_str(), document.source)).collect()
    }

    #[test]
    fn a_question_has_its_documents_from_both_places_in_order() {
        let read = parsed(&file("Web", &[question("tc_1")])).unwrap();
        assert_eq!(read.domain, Domain::Web);
        assert_eq!(
            documents(&read.questions[0]),
            [("York.txt", Domain::Wikipedia), ("1/1_2.txt", Domain::Web)]
        );
        assert_eq!(read.questions[0].answer.as_ref().unwrap().normalized_aliases, ["york"]);
        assert_eq!(read.questions[0].document_key(&read.questions[0].documents[1]), "tc_1--1/1_2.txt");
    }

    #[test]
    fn a_question_of_the_test_files_has_no_answer_and_one_may_have_no_document() {
        let mut question = question("tc_1");
        for key in ["Answer", "EntityPages", "SearchResults"] {
            question.as_object_mut().unwrap().remove(key);
        }
        let read = parsed(&file("Wikipedia", &[question])).unwrap();
        assert_eq!(read.questions[0].answer, None);
        assert!(read.questions[0].documents.is_empty());
    }

    #[test]
    fn what_people_answered_is_kept() {
        let answer = json!({"NormalizedAliases": ["york"], "HumanAnswers": ["York city"]});
        let read = parsed(&file("Web", &[with("Answer", answer)])).unwrap();
        assert_eq!(read.questions[0].answer.as_ref().unwrap().human_answers, ["York city"]);
    }

    #[test]
    fn a_document_named_twice_counts_once() {
        let pages = json!([{"Filename": "York.txt"}, {"Filename": "York.txt"}]);
        let read = parsed(&file("Wikipedia", &[with("EntityPages", pages)])).unwrap();
        assert_eq!(read.questions[0].documents.len(), 2);
    }

    #[test]
    fn of_a_verified_file_only_what_was_verified_counts() {
        let verified = |domain: &str| {
            let mut wanted = with("QuestionPartOfVerifiedEval", json!(true));
            wanted["EntityPages"] = json!([
                {"Filename": "York.txt", "DocPartOfVerifiedEval": false},
                {"Filename": "Ham.txt", "DocPartOfVerifiedEval": true},
            ]);
            wanted["SearchResults"] = json!([]);
            let mut other = question("tc_2");
            other["QuestionPartOfVerifiedEval"] = json!(false);
            let mut file = file(domain, &[wanted, other]);
            file["VerifiedEval"] = json!(true);
            parsed(&file).unwrap().questions
        };
        let (wikipedia, web) = (verified("Wikipedia"), verified("Web"));
        assert_eq!((wikipedia.len(), web.len()), (1, 1));
        assert_eq!(wikipedia[0].documents.len(), 2);
        assert_eq!(documents(&web[0]), [("Ham.txt", Domain::Wikipedia)]);
    }

    #[test]
    fn a_bad_file_is_refused_by_question_and_key() {
        let message = |file: &Value| parsed(file).unwrap_err().to_string();
        for (question, expected) in [
            (with("QuestionId", Value::Null), "$.Data[0].QuestionId: expected a value, found none"),
            (with("Question", Value::Null), r#"question "tc_1": Question: expected a value, found none"#),
            (with("Answer", json!({})), r#"question "tc_1": Answer.NormalizedAliases: expected a value"#),
            (with("EntityPages", json!([{}])), r#"question "tc_1": EntityPages: Filename: expected a value"#),
            (
                with("SearchResults", json!([{"Filename": "../x"}])),
                "a path below the evidence folder, found ../x",
            ),
            (with("SearchResults", json!([{"Filename": ""}])), "a path below the evidence folder"),
            (with("Question", json!(5)), "invalid type: integer `5`, expected a string"),
        ] {
            let found = message(&file("Web", &[question]));
            assert!(found.contains(expected), "{found}");
        }
        assert!(
            message(&file("Books", &[question("a")])).contains(r#"expected Wikipedia or Web, found "Books""#)
        );
        assert!(message(&file("Web", &[])).contains("at least one question"));
        assert!(message(&json!({"Domain": "Web"})).contains("$.Data: expected a value"));
        let none = with("Answer", json!({"NormalizedAliases": []}));
        let error = parsed(&file("Web", &[none])).unwrap_err();
        assert!(matches!(&error, CorpusError::NoAliases { id, .. } if id == "tc_1"), "{error}");
        let error = parsed(&file("Web", &[question("a"), question("b"), question("a")])).unwrap_err();
        match error {
            CorpusError::DuplicateId { id, first, second, .. } => {
                assert_eq!((id.as_str(), first.as_str(), second.as_str()), ("a", "$.Data[0]", "$.Data[2]"));
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_file_cut_short_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        let whole = file("Web", &[question("a")]).to_string();
        for end in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(matches!(read(&path), Err(CorpusError::Truncated { .. })), "{end}");
        }
    }

    #[test]
    fn documents_lie_beside_the_folder_of_questions() {
        let folder = |qa: &str| evidence_folder(Path::new(qa), Domain::Web);
        assert_eq!(folder("root/qa/dev.json"), Path::new("root/evidence/web"));
        assert_eq!(folder("qa/dev.json"), Path::new("./evidence/web"));
        assert_eq!(folder("dev.json"), Path::new("./../evidence/web"));
    }

    #[test]
    fn a_missing_or_damaged_document_is_named_with_its_question() {
        let root = tempfile::tempdir().unwrap();
        let qa = root.path().join("qa/dev.json");
        let evidence = Evidence { file_name: "York.txt".into(), source: Domain::Wikipedia };
        match evidence.text(&qa, "tc_1").unwrap_err() {
            CorpusError::MissingDocument { id, document, .. } => {
                assert_eq!((id.as_str(), document), ("tc_1", evidence.path(&qa)));
            }
            other => panic!("{other}"),
        }
        fs::create_dir_all(evidence_folder(&qa, Domain::Wikipedia)).unwrap();
        fs::write(evidence.path(&qa), b"in\nY\xffrk").unwrap();
        let error = evidence.text(&qa, "tc_1").unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 4, line: 2, found: 0xff, .. }), "{error}");
    }
}
