//! The questions of one file without those that other files ask too: what a model may be trained on
//! that is to be asked the others. XQuAD's paragraphs, for one, come from SQuAD's development set.
//!
//! Whole paragraphs are left out, with every question about them, since a model trained on one question
//! has seen the text that answers the next. A paragraph goes if it is one of theirs by its words or by the
//! ids of its questions (`paragraphs.rs`). Both find the same 240 paragraphs of XQuAD in SQuAD dev.
//!
//! Files are in the SQuAD v1.1 layout, and what is left stays as it was: titles, ids, every answer, order.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::CorpusError;
use super::paragraphs::Paragraphs;
use super::squad;
use crate::durable::{self, WriteError};

/// The articles of a file, with all that [`squad`] makes no use of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Articles {
    data: Vec<Article>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Asked>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    id: String,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// How much there is of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Size {
    pub paragraphs: usize,
    pub questions: usize,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// What it had.
    pub before: Size,
    /// What others have too.
    pub left_out: Size,
    /// The rest.
    pub left: Size,
}

/// How much must be left, as far as it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Expected {
    pub paragraphs: Option<usize>,
    pub questions: Option<usize>,
}

/// The questions of the file at `questions` without those about paragraphs of the files at `others`.
///
/// # Errors
/// What is wrong with a file; [`CorpusError::NothingShared`] where one of `others` would leave nothing out,
/// [`CorpusError::NothingLeft`], and [`CorpusError::Left`] where the rest is not what is expected.
pub fn leave_out(
    questions: &Path,
    others: &[&Path],
    expected: Expected,
) -> Result<(Articles, Counts), CorpusError> {
    let mut articles = Articles::read(questions)?;
    let before = articles.size();
    let mut known = Vec::new();
    for other in others {
        let paragraphs = Paragraphs::of(&squad::read(other)?);
        if !articles.paragraphs().any(|paragraph| paragraph.is_in(&paragraphs)) {
            return Err(CorpusError::NothingShared {
                path: questions.to_owned(),
                other: other.to_path_buf(),
            });
        }
        known.push(paragraphs);
    }
    articles.retain(|paragraph| !known.iter().any(|paragraphs| paragraph.is_in(paragraphs)));
    let left = articles.size();
    if left.questions == 0 {
        return Err(CorpusError::NothingLeft { path: questions.to_owned(), found: before.questions });
    }
    for (what, expected, found) in [
        ("paragraphs", expected.paragraphs, left.paragraphs),
        ("questions", expected.questions, left.questions),
    ] {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(CorpusError::Left { path: questions.to_owned(), what, expected, found });
        }
    }
    let left_out = Size {
        paragraphs: before.paragraphs - left.paragraphs,
        questions: before.questions - left.questions,
    };
    Ok((articles, Counts { before, left_out, left }))
}

impl Paragraph {
    fn is_in(&self, paragraphs: &Paragraphs) -> bool {
        paragraphs.has(&self.context, self.qas.iter().map(|question| question.id.as_str()))
    }
}

impl Articles {
    /// Reads the file at `path`, which must be all that [`squad::read`] asks for.
    fn read(path: &Path) -> Result<Self, CorpusError> {
        let bytes = fs::read(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })?;
        squad::parse(path, &bytes)?;
        squad::json(path, &bytes)
    }

    /// Writes them to `path`: the same bytes for the same articles.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        durable::write_with(path, |file| Ok(serde_json::to_writer(file, self)?))
    }

    fn paragraphs(&self) -> impl Iterator<Item = &Paragraph> {
        self.data.iter().flat_map(|article| &article.paragraphs)
    }

    fn size(&self) -> Size {
        let questions = self.paragraphs().map(|paragraph| paragraph.qas.len()).sum();
        Size { paragraphs: self.paragraphs().count(), questions }
    }

    /// Leaves the paragraphs that `keep` holds for, and the articles that still have one.
    fn retain(&mut self, keep: impl Fn(&Paragraph) -> bool) {
        self.data.iter_mut().for_each(|article| article.paragraphs.retain(&keep));
        self.data.retain(|article| !article.paragraphs.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn paragraph(context: &str, ids: &[&str]) -> Value {
        let question = |id: &&str| {
            let answer = |text: &str| json!({"answer_start": context.find(text).unwrap(), "text": text});
            let (word, _) = context.trim().split_once(char::is_whitespace).unwrap();
            json!({"answers": [answer(word), answer(&word[..1])], "question": format!("{id}?"), "id": id})
        };
        json!({"context": context, "qas": ids.iter().map(question).collect::<Vec<_>>()})
    }

    fn article(title: &str, paragraphs: &[Value]) -> Value {
        json!({"title": title, "paragraphs": paragraphs})
    }

    /// Two articles of three paragraphs and four questions.
    fn all() -> Value {
        let oslo = [paragraph("Oslo is a city.", &["a", "b"]), paragraph("Oslo has  trams.", &["c"])];
        json!({"data": [article("Oslo", &oslo), article("Rome", &[paragraph("Rome is old.", &["d"])])], "version": "1.1"})
    }

    struct Place(TempDir);

    impl Place {
        fn file(&self, name: &str, content: &Value) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, content.to_string()).unwrap();
            path
        }

        /// `all()` without the paragraphs of `others`.
        fn left(&self, others: &[Value], expected: Expected) -> Result<(Value, Counts), CorpusError> {
            let others = others.iter().enumerate().map(|(number, paragraph)| {
                let content = json!({"data": [article("other", std::slice::from_ref(paragraph))]});
                self.file(&format!("other-{number}.json"), &content)
            });
            let others: Vec<PathBuf> = others.collect();
            let others: Vec<&Path> = others.iter().map(PathBuf::as_path).collect();
            let (articles, counts) = leave_out(&self.file("all.json", &all()), &others, expected)?;
            Ok((serde_json::to_value(articles).unwrap(), counts))
        }
    }

    fn place() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn sizes(counts: Counts) -> [(usize, usize); 3] {
        [counts.before, counts.left_out, counts.left].map(|size| (size.paragraphs, size.questions))
    }

    #[test]
    fn a_paragraph_goes_with_all_its_questions_and_the_rest_stays_as_it_was() {
        let (left, counts) =
            place().left(&[paragraph("Oslo is a city.", &["x"])], Expected::default()).unwrap();
        let mut expected = all();
        expected["data"][0]["paragraphs"].as_array_mut().unwrap().remove(0);
        assert_eq!(left, expected);
        assert_eq!(sizes(counts), [(3, 4), (1, 2), (2, 2)]);
    }

    #[test]
    fn white_space_makes_no_other_paragraph_and_an_article_without_one_goes() {
        let others = [paragraph(" Oslo has\ntrams. ", &["x"]), paragraph("Rome\u{a0}is old.", &["y"])];
        let (left, counts) = place().left(&others, Expected::default()).unwrap();
        assert_eq!(left["data"].as_array().unwrap().len(), 1);
        assert_eq!(left["data"][0]["paragraphs"], json!([all()["data"][0]["paragraphs"][0]]));
        assert_eq!(sizes(counts), [(3, 4), (2, 2), (1, 2)]);
    }

    #[test]
    fn a_translated_paragraph_is_known_by_the_ids_of_its_questions() {
        let (_, counts) =
            place().left(&[paragraph("Oslo ist eine Stadt.", &["b"])], Expected::default()).unwrap();
        assert_eq!(sizes(counts), [(3, 4), (1, 2), (2, 2)]);
    }

    #[test]
    fn what_is_written_is_the_same_each_time_and_can_be_read() {
        let place = place();
        let other = json!({"data": [article("x", &[paragraph("Rome is old.", &["x"])])]});
        let (questions, other) = (place.file("all.json", &all()), place.file("other.json", &other));
        let [one, two] = ["one.json", "two.json"].map(|name| {
            let (articles, _) = leave_out(&questions, &[&other], Expected::default()).unwrap();
            let path = place.0.path().join(name);
            articles.write(&path).unwrap();
            path
        });
        assert_eq!(fs::read(&one).unwrap(), fs::read(two).unwrap());
        let ids: Vec<_> = squad::read(&one).unwrap().questions.into_iter().map(|q| q.id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn each_file_must_leave_something_out_and_leave_something() {
        let rome = paragraph("Rome is old.", &["x"]);
        let error = place().left(&[rome, paragraph("Lima is far.", &["y"])], Expected::default());
        let message = error.unwrap_err().to_string();
        assert!(message.contains("all.json: ") && message.contains("other-1.json"), "{message}");
        let every = [paragraph("Rome is old.", &["a"]), paragraph("Lima is far.", &["c"])];
        let error = place().left(&every, Expected::default()).unwrap_err();
        assert!(matches!(error, CorpusError::NothingLeft { found: 4, .. }), "{error}");
    }

    #[test]
    fn another_number_than_expected_is_refused_with_what_was_found() {
        let left = |paragraphs, questions| {
            place().left(&[paragraph("Rome is old.", &["x"])], Expected { paragraphs, questions })
        };
        assert!(left(Some(2), Some(3)).is_ok());
        let message = left(Some(3), None).unwrap_err().to_string();
        assert!(message.contains("expected 3 paragraphs to be left, found 2"), "{message}");
        let message = left(Some(2), Some(2)).unwrap_err().to_string();
        assert!(message.contains("expected 2 questions to be left, found 3"), "{message}");
    }
}
