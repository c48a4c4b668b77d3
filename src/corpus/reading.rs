//! How the questions of a file are read: the task and what it leaves open, in one value that every
//! caller shares. It is part of the keys of stages that read questions.

use std::num::NonZeroUsize;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::CorpusError;
use super::joined::{self, KeptQuestions};
use super::qa::QaDataset;
use super::task::Task;
use super::{mlqa, squad, tydiqa};

/// What the original joined.
const N_CONCAT: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// A task and its choices. [`Reading::of`] gives each task's own; what a task has no use for stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The task.
    pub task: Task,
    /// How many consecutive contexts are joined into one: 3 for `sq3` and `xq3` unless said otherwise,
    /// 1 for the other tasks.
    pub n_concat: NonZeroUsize,
    /// Which questions stay: for `sq3` and `xq3` the first about each context unless said otherwise, all for
    /// the other tasks.
    pub kept: KeptQuestions,
    /// The language of the questions, by its ISO 639-1 code. `tydiqa` reads those questions only, all if
    /// none is said; `mlqa` holds it against the file's name; to the other tasks it is a name.
    pub language: Option<String>,
    /// The language of the contexts, which in `mlqa` may be another one.
    pub context_language: Option<String>,
}

impl Reading {
    /// How `task` is read where nothing else is said.
    pub fn of(task: Task) -> Self {
        let (n_concat, kept) = match task.joins_contexts() {
            true => (N_CONCAT, KeptQuestions::First),
            false => (NonZeroUsize::MIN, KeptQuestions::All),
        };
        Self { task, n_concat, kept, language: None, context_language: None }
    }

    /// Refuses what the task cannot do.
    ///
    /// # Errors
    /// [`CorpusError::Setting`] with the field's name.
    pub fn validate(&self) -> Result<(), CorpusError> {
        let Self { task, n_concat, kept, .. } = *self;
        let wrong = |key, expected, found| Err(CorpusError::Setting { key, expected, found });
        if !task.joins_contexts() && n_concat != NonZeroUsize::MIN {
            return wrong("n_concat", "1, as only sq3 and xq3 join contexts", n_concat.to_string());
        }
        if !task.joins_contexts() && kept != KeptQuestions::All {
            return wrong("kept", "all, as only sq3 and xq3 leave questions out", "first".to_owned());
        }
        if let (Some(found), true) = (&self.context_language, task != Task::Mlqa) {
            return wrong("context_language", "none, as only mlqa mixes languages", found.clone());
        }
        if task == Task::TydiQa {
            self.tydiqa_language()?;
        }
        Ok(())
    }

    /// The reading that leaves the file's paragraphs as they are: the same one for all tasks that find the same
    /// ones.
    pub fn paragraphs(&self) -> Self {
        match self.task {
            Task::Squad | Task::Xquad | Task::Sq3 | Task::Xq3 => Self::of(Task::Squad),
            Task::Mlqa | Task::TydiQa | Task::TriviaQa => self.clone(),
        }
    }

    /// Reads the questions of the file at `path`.
    ///
    /// # Errors
    /// What is wrong with the file or does not fit it; [`CorpusError::Setting`] for what [`Self::validate`]
    /// refuses, and for `triviaqa`, whose questions have many contexts each and are read by
    /// [`super::triviaqa`].
    pub fn read(&self, path: &Path) -> Result<QaDataset, CorpusError> {
        self.validate()?;
        match self.task {
            Task::Squad | Task::Xquad => squad::read(path),
            Task::Sq3 | Task::Xq3 => Ok(joined::join(&squad::read(path)?, self.n_concat, self.kept)),
            Task::Mlqa => mlqa::read(path, self.language.as_deref(), self.context_language.as_deref()),
            Task::TydiQa => {
                let dataset = tydiqa::read(path)?;
                let Some(language) = self.tydiqa_language()? else { return Ok(dataset) };
                let dataset = tydiqa::in_language(&dataset, language);
                match dataset.questions.is_empty() {
                    true => {
                        Err(CorpusError::NoneInLanguage { path: path.to_owned(), language: language.name() })
                    }
                    false => Ok(dataset),
                }
            }
            Task::TriviaQa => Err(CorpusError::Setting {
                key: "task",
                expected: "one whose questions have one context each",
                found: self.task.to_string(),
            }),
        }
    }

    fn tydiqa_language(&self) -> Result<Option<tydiqa::Language>, CorpusError> {
        self.language.as_deref().map(str::parse).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn wrong_key(reading: &Reading) -> &'static str {
        match reading.validate() {
            Err(CorpusError::Setting { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_task_does_by_itself_is_written_out() {
        let written = serde_json::to_value(Reading::of(Task::Sq3)).unwrap();
        let expected = json!({"task": "sq3", "n_concat": 3, "kept": "first", "language": null, "context_language": null});
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Reading>(written).unwrap(), Reading::of(Task::Sq3));
        for task in Task::ALL {
            Reading::of(task).validate().unwrap();
        }
    }

    #[test]
    fn what_a_task_cannot_do_is_refused_by_its_name() {
        let squad = Reading::of(Task::Squad);
        let five = NonZeroUsize::new(5).unwrap();
        assert_eq!(wrong_key(&Reading { n_concat: five, ..squad.clone() }), "n_concat");
        assert_eq!(wrong_key(&Reading { kept: KeptQuestions::First, ..squad.clone() }), "kept");
        let said = Some("de".to_owned());
        assert_eq!(wrong_key(&Reading { context_language: said.clone(), ..squad }), "context_language");
        assert_eq!(wrong_key(&Reading { language: said, ..Reading::of(Task::TydiQa) }), "language");
        let error = Reading::of(Task::TriviaQa).read(Path::new("qa.json")).unwrap_err();
        assert!(error.to_string().ends_with("found triviaqa"), "{error}");
    }

    #[test]
    fn paragraphs_are_read_unjoined() {
        let named = Some("de".to_owned());
        let xq3 = Reading { language: named.clone(), ..Reading::of(Task::Xq3) };
        assert_eq!(xq3.paragraphs(), Reading::of(Task::Squad));
        let mlqa = Reading { language: named, ..Reading::of(Task::Mlqa) };
        assert_eq!(mlqa.paragraphs(), mlqa);
    }

    #[test]
    fn tydi_qa_is_read_whole_or_in_one_language() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        let question = |id| json!({"id": id, "question": "?"});
        let questions = json!([question("korean-1-0"), question("telugu--2-0")]);
        let file = json!({"data": [{"paragraphs": [{"context": "c", "qas": questions}]}]});
        fs::write(&path, file.to_string()).unwrap();
        let mut reading = Reading::of(Task::TydiQa);
        assert_eq!(reading.read(&path).unwrap().questions.len(), 2);
        reading.language = Some("te".to_owned());
        assert_eq!(reading.read(&path).unwrap().questions[0].id, "telugu--2-0");
        reading.language = Some("fi".to_owned());
        assert!(matches!(reading.read(&path), Err(CorpusError::NoneInLanguage { language: "finnish", .. })));
    }
}
