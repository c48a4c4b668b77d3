//! TyDi QA's gold passages (Clark et al. 2020), v1.1: one file in the SQuAD v1.1 layout for all nine
//! languages. The language of a question stands in its id: `arabic-2387335860751143628-1` is the number of
//! an example, which may be negative (`arabic--3358420169913421088-0`), and of an annotation of it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::error::CorpusError;
use super::qa::QaDataset;
use super::squad;

/// A language of the gold passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Arabic.
    Arabic,
    /// Bengali.
    Bengali,
    /// English.
    English,
    /// Finnish.
    Finnish,
    /// Indonesian.
    Indonesian,
    /// Korean.
    Korean,
    /// Russian.
    Russian,
    /// Swahili.
    Swahili,
    /// Telugu.
    Telugu,
}

impl Language {
    /// Every language, in the order of their names.
    pub const ALL: [Self; 9] = [
        Self::Arabic,
        Self::Bengali,
        Self::English,
        Self::Finnish,
        Self::Indonesian,
        Self::Korean,
        Self::Russian,
        Self::Swahili,
        Self::Telugu,
    ];

    /// Its name in question ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arabic => "arabic",
            Self::Bengali => "bengali",
            Self::English => "english",
            Self::Finnish => "finnish",
            Self::Indonesian => "indonesian",
            Self::Korean => "korean",
            Self::Russian => "russian",
            Self::Swahili => "swahili",
            Self::Telugu => "telugu",
        }
    }

    /// The ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Arabic => "ar",
            Self::Bengali => "bn",
            Self::English => "en",
            Self::Finnish => "fi",
            Self::Indonesian => "id",
            Self::Korean => "ko",
            Self::Russian => "ru",
            Self::Swahili => "sw",
            Self::Telugu => "te",
        }
    }

    /// The language that a question's id names.
    pub fn of_id(id: &str) -> Option<Self> {
        let (name, _) = id.split_once('-')?;
        Self::ALL.into_iter().find(|language| language.name() == name)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Language {
    type Err = CorpusError;

    fn from_str(code: &str) -> Result<Self, CorpusError> {
        Self::ALL.into_iter().find(|language| language.code() == code).ok_or_else(|| CorpusError::Setting {
            key: "language",
            expected: "one of TyDi QA's, ar, bn, en, fi, id, ko, ru, sw or te",
            found: code.to_owned(),
        })
    }
}

/// Reads a whole file.
///
/// # Errors
/// Those of [`squad::read`]; [`CorpusError::NoLanguage`] for an id that names no language;
/// [`CorpusError::TwoLanguages`] for an example that stands there in two.
pub fn read(path: &Path) -> Result<QaDataset, CorpusError> {
    let dataset = squad::read(path)?;
    check(path, &dataset)?;
    Ok(dataset)
}

/// The questions of one language, with their contexts.
pub fn in_language(dataset: &QaDataset, language: Language) -> QaDataset {
    dataset.only(|question| Language::of_id(&question.id) == Some(language))
}

fn check(path: &Path, dataset: &QaDataset) -> Result<(), CorpusError> {
    let mut examples: HashMap<&str, (Language, &str)> = HashMap::new();
    for question in &dataset.questions {
        let id = question.id.as_str();
        let Some(language) = Language::of_id(id) else {
            return Err(CorpusError::NoLanguage { path: path.to_owned(), id: id.to_owned() });
        };
        let (_, number) = id.split_once('-').unwrap_or_default();
        let example = number.rsplit_once('-').map_or(number, |(example, _annotation)| example);
        let (first, other) = *examples.entry(example).or_insert((language, id));
        if first != language {
            let (path, other) = (path.to_owned(), other.to_owned());
            return Err(CorpusError::TwoLanguages { path, id: id.to_owned(), other });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Question;

    fn dataset(ids: &[&str]) -> QaDataset {
        let question = |(context, id): (usize, &&str)| Question {
            id: (*id).to_owned(),
            text: String::new(),
            context,
            answers: Vec::new(),
        };
        let contexts = (0..ids.len()).map(|number| format!("context {number}")).collect();
        QaDataset { contexts, questions: ids.iter().enumerate().map(question).collect() }
    }

    #[test]
    fn ids_name_their_language() {
        assert_eq!(Language::of_id("arabic-2387335860751143628-1"), Some(Language::Arabic));
        assert_eq!(Language::of_id("arabic--3358420169913421088-0"), Some(Language::Arabic));
        assert_eq!(Language::of_id("swahili-1-0"), Some(Language::Swahili));
        for id in ["", "arabic", "Arabic-1-0", "thai-1-0", "-arabic-1", "56be4db0acb8001400a502ec"] {
            assert_eq!(Language::of_id(id), None, "{id}");
        }
    }

    #[test]
    fn codes_lead_to_languages_and_back() {
        for language in Language::ALL {
            assert_eq!(language.code().parse::<Language>().unwrap(), language);
            assert_eq!(Language::of_id(&format!("{}-1-0", language.name())), Some(language));
        }
        let error = "th".parse::<Language>().unwrap_err().to_string();
        assert!(error.starts_with("language: expected one of") && error.ends_with("found th"), "{error}");
    }

    #[test]
    fn one_language_comes_with_its_own_contexts() {
        let all = dataset(&["arabic-1-0", "telugu-2-0", "arabic--3-0"]);
        let arabic = in_language(&all, Language::Arabic);
        assert_eq!(arabic.contexts, ["context 0", "context 2"]);
        assert_eq!(arabic.questions[1].id, "arabic--3-0");
        assert_eq!(arabic.context_of(&arabic.questions[1]), "context 2");
        assert_eq!(in_language(&all, Language::Korean), QaDataset::default());
    }

    #[test]
    fn an_id_that_names_no_language_is_refused() {
        let error = check(Path::new("dev.json"), &dataset(&["arabic-1-0", "thai-2-0"])).unwrap_err();
        assert!(matches!(&error, CorpusError::NoLanguage { id, .. } if id == "thai-2-0"), "{error}");
        assert!(error.to_string().starts_with("dev.json: question \"thai-2-0\": expected"), "{error}");
    }

    #[test]
    fn an_example_in_two_languages_is_refused_and_one_annotated_twice_is_not() {
        check(Path::new("dev.json"), &dataset(&["arabic-1-0", "arabic-1-2", "telugu--1-0"])).unwrap();
        let error = check(Path::new("dev.json"), &dataset(&["arabic--1-0", "telugu--1-2"])).unwrap_err();
        match error {
            CorpusError::TwoLanguages { id, other, .. } => {
                assert_eq!((id.as_str(), other.as_str()), ("telugu--1-2", "arabic--1-0"));
            }
            other => panic!("{other}"),
        }
    }
}
