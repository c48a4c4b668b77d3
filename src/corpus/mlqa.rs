//! MLQA (Lewis et al. 2020): one file in the SQuAD v1.1 layout for each pair of seven languages, named
//! `{split}-context-{language}-question-{language}.json`. Answers stand in the context's language.
//!
//! Where the two languages differ (the task called G-XLT), the file is made of two halves: the questions,
//! and the contexts and answers, which it shares with the file whose questions are in the
//! context's language too. Where that file lies beside it, the shared half is held against it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::CorpusError;
use super::qa::{QaDataset, Question};
use super::squad;

/// A language of MLQA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Arabic.
    Arabic,
    /// German.
    German,
    /// English.
    English,
    /// Spanish.
    Spanish,
    /// Hindi.
    Hindi,
    /// Vietnamese.
    Vietnamese,
    /// Chinese in simplified characters.
    Chinese,
}

impl Language {
    /// Every language, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Arabic,
        Self::German,
        Self::English,
        Self::Spanish,
        Self::Hindi,
        Self::Vietnamese,
        Self::Chinese,
    ];

    /// The ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Arabic => "ar",
            Self::German => "de",
            Self::English => "en",
            Self::Spanish => "es",
            Self::Hindi => "hi",
            Self::Vietnamese => "vi",
            Self::Chinese => "zh",
        }
    }

    fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    fn of_setting(key: &'static str, code: &str) -> Result<Self, CorpusError> {
        let expected = "one of MLQA's, ar, de, en, es, hi, vi or zh";
        Self::of_code(code).ok_or_else(|| CorpusError::Setting { key, expected, found: code.to_owned() })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// The languages of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The language of contexts and answers.
    pub context: Language,
    /// The language of the questions.
    pub question: Language,
}

impl Pair {
    /// The languages that a file's name gives, if it follows the convention.
    pub fn of_file_name(path: &Path) -> Option<Self> {
        let (_, pair) = parse_name(path)?;
        Some(pair)
    }

    /// The languages of the file at `path`: those of its name, else those that are asked for, the context's
    /// being the question's unless said otherwise.
    ///
    /// # Errors
    /// [`CorpusError::Setting`] for a code that is none of MLQA's; [`CorpusError::OtherLanguage`] where
    /// the name says otherwise; [`CorpusError::UnknownPair`] where neither says anything.
    pub fn of_file(path: &Path, question: Option<&str>, context: Option<&str>) -> Result<Self, CorpusError> {
        let question = question.map(|code| Language::of_setting("language", code)).transpose()?;
        let context = context.map(|code| Language::of_setting("context_language", code)).transpose()?;
        let Some(named) = Self::of_file_name(path) else {
            let unknown = || CorpusError::UnknownPair { path: path.to_owned() };
            let question = question.ok_or_else(unknown)?;
            return Ok(Self { context: context.unwrap_or(question), question });
        };
        for (key, asked, named) in
            [("language", question, named.question), ("context_language", context, named.context)]
        {
            if let Some(asked) = asked.filter(|asked| *asked != named) {
                let (expected, found) = (named.code(), asked.code());
                return Err(CorpusError::OtherLanguage { path: path.to_owned(), key, expected, found });
            }
        }
        Ok(named)
    }
}

/// Reads the file at `path`, whose languages should be those that are asked for.
///
/// # Errors
/// Those of [`squad::read`] and [`Pair::of_file`]; [`CorpusError::HalvesDisagree`].
pub fn read(path: &Path, question: Option<&str>, context: Option<&str>) -> Result<QaDataset, CorpusError> {
    let pair = Pair::of_file(path, question, context)?;
    let dataset = squad::read(path)?;
    if pair.context != pair.question
        && let Some(other) = same_language_file(path).filter(|other| other.is_file())
    {
        check_halves(path, &dataset, &other, &squad::read(&other)?)?;
    }
    Ok(dataset)
}

/// What stands before the languages in a file's name, and the languages.
fn parse_name(path: &Path) -> Option<(&str, Pair)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let (rest, question) = name.rsplit_once("-question-")?;
    let (split, context) = rest.rsplit_once("-context-")?;
    Some((split, Pair { context: Language::of_code(context)?, question: Language::of_code(question)? }))
}

/// The file that has the same contexts and answers, with questions in their language.
fn same_language_file(path: &Path) -> Option<PathBuf> {
    let (split, Pair { context, .. }) = parse_name(path)?;
    Some(path.with_file_name(format!("{split}-context-{context}-question-{context}.json")))
}

fn check_halves(
    path: &Path,
    dataset: &QaDataset,
    other: &Path,
    whole: &QaDataset,
) -> Result<(), CorpusError> {
    let there: HashMap<&str, &Question> =
        whole.questions.iter().map(|question| (question.id.as_str(), question)).collect();
    for question in &dataset.questions {
        let disagreement = match there.get(question.id.as_str()) {
            None => "a question with this id",
            Some(same) if whole.context_of(same) != dataset.context_of(question) => "the same context",
            Some(same) if same.answers != question.answers => "the same answers",
            Some(_) => continue,
        };
        return Err(CorpusError::HalvesDisagree {
            path: path.to_owned(),
            other: other.to_owned(),
            id: question.id.clone(),
            expected: disagreement,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn file(id: &str, context: &str, answer: &str, start: usize) -> String {
        let answers = json!([{"text": answer, "answer_start": start}]);
        let questions = json!([{"id": id, "question": "?", "answers": answers}]);
        json!({"version": 1.0, "data": [{"paragraphs": [{"context": context, "qas": questions}]}]})
            .to_string()
    }

    #[test]
    fn names_give_the_context_first() {
        let pair = Pair { context: Language::Arabic, question: Language::Spanish };
        assert_eq!(Pair::of_file_name(Path::new("MLQA_V1/dev/dev-context-ar-question-es.json")), Some(pair));
        for name in ["dev.json", "dev-context-ar-question-fr.json", "dev-context-ar-question-es.txt", ""] {
            assert_eq!(Pair::of_file_name(Path::new(name)), None, "{name}");
        }
        for language in Language::ALL {
            let name = format!("test-context-{language}-question-{language}.json");
            assert_eq!(
                Pair::of_file_name(Path::new(&name)),
                Some(Pair { context: language, question: language })
            );
        }
    }

    #[test]
    fn languages_asked_for_have_to_be_those_of_the_name() {
        let named = Path::new("test-context-hi-question-zh.json");
        let pair = Pair { context: Language::Hindi, question: Language::Chinese };
        for (question, context) in
            [(None, None), (Some("zh"), None), (None, Some("hi")), (Some("zh"), Some("hi"))]
        {
            assert_eq!(Pair::of_file(named, question, context).unwrap(), pair);
        }
        let error = Pair::of_file(named, Some("zh"), Some("zh")).unwrap_err();
        assert!(
            matches!(
                error,
                CorpusError::OtherLanguage { key: "context_language", expected: "hi", found: "zh", .. }
            ),
            "{error}"
        );
        let error = Pair::of_file(named, Some("fr"), None).unwrap_err();
        assert!(
            matches!(&error, CorpusError::Setting { key: "language", found, .. } if found == "fr"),
            "{error}"
        );
    }

    #[test]
    fn a_file_of_another_name_needs_to_be_told_its_languages() {
        let plain = Path::new("gold.json");
        assert!(matches!(Pair::of_file(plain, None, Some("de")), Err(CorpusError::UnknownPair { .. })));
        let german = Pair { context: Language::German, question: Language::German };
        assert_eq!(Pair::of_file(plain, Some("de"), None).unwrap(), german);
        let mixed = Pair { context: Language::English, question: Language::German };
        assert_eq!(Pair::of_file(plain, Some("de"), Some("en")).unwrap(), mixed);
    }

    #[test]
    fn halves_that_disagree_are_refused_with_file_and_id() {
        let folder = tempfile::tempdir().unwrap();
        let mixed = folder.path().join("dev-context-de-question-vi.json");
        let whole = folder.path().join("dev-context-de-question-de.json");
        fs::write(&mixed, file("one", "Mira in Köln", "Köln", 8)).unwrap();
        read(&mixed, None, None).unwrap();
        for (other, said) in [
            (file("one", "Mira in Köln", "Köln", 8), None),
            (file("two", "Mira in Köln", "Köln", 8), Some("a question with this id")),
            (file("one", "Mira in Köln.", "Köln", 8), Some("the same context")),
            (file("one", "Mira in Köln", "Mira", 0), Some("the same answers")),
        ] {
            fs::write(&whole, other).unwrap();
            match (read(&mixed, Some("vi"), Some("de")), said) {
                (Ok(dataset), None) => assert_eq!(dataset.questions.len(), 1),
                (Err(CorpusError::HalvesDisagree { path, other, id, expected }), Some(said)) => {
                    assert_eq!(
                        (path, other, id.as_str(), expected),
                        (mixed.clone(), whole.clone(), "one", said)
                    );
                }
                (found, said) => panic!("{said:?}: {found:?}"),
            }
        }
    }
}
