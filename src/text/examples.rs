//! TriviaQA's questions and documents as a file of training examples, made in parallel and kept.
//!
//! Documents are read, searched for the answer and tokenized a few at a time; what is in memory does
//! not grow with their number. The result is a [`DocumentFile`], the same to the bit whatever the number
//! of threads. It lies under a name that says what it was made of: the file of questions, the content
//! of every document that it names, the tokenizer, the settings. To know that name all documents
//! are read once, which costs little beside tokenizing them and nothing beside training.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;

use super::aliases::Aliases;
use super::document_file::{DocumentFile, DocumentWriter};
use super::documents::{DocumentSettings, Example};
use super::error::TextError;
use super::tokenizer::Tokenizer;
use super::writing;
use crate::corpus::triviaqa::{self, Evidence, TriviaQa, TriviaQuestion};
use crate::digest::{Digest, Hasher};
use crate::interrupt::Interrupt;

/// Documents in work at once, for each thread.
const PER_THREAD: usize = 16;

/// How training examples are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExampleSettings {
    /// How documents are laid into sequences.
    pub documents: DocumentSettings,
    /// How many places of the answer count in a document, the first ones.
    pub max_answer_spans: usize,
}

impl ExampleSettings {
    /// An error that names the setting under which there is no example.
    pub fn validate(&self) -> Result<(), TextError> {
        if self.max_answer_spans == 0 {
            let (key, expected) = ("max_answer_spans", "1 or more".to_owned());
            return Err(TextError::Setting { key, expected, found: "0".to_owned() });
        }
        self.documents.validate()
    }
}

/// How far the making of examples is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Documents done.
    pub done: usize,
    /// Documents in all.
    pub documents: usize,
}

/// The examples of the questions in `qa_file` from `folder`; made there if they are not there yet.
///
/// # Errors
/// What is wrong with the file of questions or one of its documents, which is named with the question;
/// [`TextError::Setting`], [`TextError::Interrupted`], [`TextError::TokenFile`] for a damaged file in
/// `folder`.
pub fn cached(
    folder: &Path,
    qa_file: &Path,
    tokenizer: &Tokenizer,
    settings: &ExampleSettings,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(Progress),
) -> Result<DocumentFile, TextError> {
    settings.validate()?;
    let data = triviaqa::read(qa_file)?;
    let source = Source { qa_file, data: &data, tokenizer, settings, interrupt };
    let key = source.key()?;
    let path = folder.join(format!("{key}.documents"));
    if !path.exists() {
        source.write(&path, key, watch)?;
    }
    let file = DocumentFile::open(&path)?;
    match file.key() == key {
        true => Ok(file),
        false => Err(TextError::TokenFile {
            path,
            expected: format!("the key {key} of its name"),
            found: file.key().to_string(),
        }),
    }
}

struct Source<'a> {
    qa_file: &'a Path,
    data: &'a TriviaQa,
    tokenizer: &'a Tokenizer,
    settings: &'a ExampleSettings,
    interrupt: &'a Interrupt,
}

impl Source<'_> {
    /// Equal for equal inputs, and for those alone.
    fn key(&self) -> Result<Digest, TextError> {
        let questions = Digest::of_file(self.qa_file)
            .map_err(|source| TextError::Read { path: self.qa_file.to_owned(), source })?;
        let mut hasher = Hasher::default();
        hasher.field(b"longqa-documents-1").field(questions.bytes()).field(self.tokenizer.digest().bytes());
        hasher.field(format!("{:?}", self.settings).as_bytes());
        let mut seen = HashSet::new();
        let documents: Vec<_> = self.pairs().filter(|(_, document)| seen.insert(*document)).collect();
        for few in documents.chunks(at_once()) {
            self.go_on()?;
            let digests: Vec<_> = few
                .par_iter()
                .map(|(question, document)| document.digest(self.qa_file, &question.id))
                .collect();
            for digest in digests {
                hasher.field(digest?.bytes());
            }
        }
        Ok(hasher.digest())
    }

    fn write(&self, path: &Path, key: Digest, watch: &mut dyn FnMut(Progress)) -> Result<(), TextError> {
        let pairs: Vec<_> = self.pairs().collect();
        let mut left_out = 0;
        writing::write(path, |file| {
            let mut writer = DocumentWriter::new(file, key)?;
            let mut done = 0;
            for few in pairs.chunks(at_once()) {
                self.go_on()?;
                let examples: Vec<_> =
                    few.par_iter().map(|(question, document)| self.example(question, document)).collect();
                for example in examples {
                    writer.push(example?.as_ref())?;
                }
                done += few.len();
                watch(Progress { done, documents: pairs.len() });
            }
            left_out = writer.finish()?.left_out;
            Ok(())
        })?;
        let (file, documents) = (self.qa_file.display(), pairs.len());
        tracing::info!("{file}: {left_out} of {documents} documents do not hold the answer and are left out");
        Ok(())
    }

    fn example(&self, question: &TriviaQuestion, document: &Evidence) -> Result<Option<Example>, TextError> {
        let Some(answer) = &question.answer else { return Ok(None) };
        let aliases = Aliases::new(&answer.normalized_aliases);
        let text = document.text(self.qa_file, &question.id)?;
        let ExampleSettings { documents, max_answer_spans } = self.settings;
        Example::of(&question.text, &text, &aliases, *max_answer_spans, self.tokenizer, documents)
    }

    /// Every question with each of its documents, in the order of the file.
    fn pairs(&self) -> impl Iterator<Item = (&TriviaQuestion, &Evidence)> {
        self.data
            .questions
            .iter()
            .flat_map(|question| question.documents.iter().map(move |document| (question, document)))
    }

    fn go_on(&self) -> Result<(), TextError> {
        let interrupted = |source| TextError::Interrupted { path: self.qa_file.to_owned(), source };
        self.interrupt.check().map_err(interrupted)
    }
}

fn at_once() -> usize {
    PER_THREAD * rayon::current_num_threads()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::corpus::CorpusError;
    use crate::text::testing;
    use crate::text::{Slices, WindowSettings};

    const SETTINGS: ExampleSettings = ExampleSettings {
        documents: DocumentSettings {
            windows: WindowSettings { max_length: 30, doc_stride: 100, max_question_length: 10 },
            slices: Slices::Strided,
            max_document_length: 1000,
        },
        max_answer_spans: 64,
    };

    /// Three documents, the second of which does not hold the answer, and two questions.
    struct Desk {
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let desk = Self { folder: tempfile::tempdir().unwrap() };
            let pages =
                |names: &[&str]| -> Vec<_> { names.iter().map(|name| json!({"Filename": name})).collect() };
            let question = |id: &str, pages: Vec<_>| {
                json!({"QuestionId": id, "Question": "where?", "EntityPages": pages,
                    "Answer": {"NormalizedAliases": ["york"]}})
            };
            let file = json!({"Domain": "Wikipedia", "Data": [
                question("a", pages(&["1.txt", "2.txt"])), question("b", pages(&["3.txt", "1.txt"])),
            ]});
            fs::create_dir_all(desk.folder.path().join("qa")).unwrap();
            fs::create_dir_all(desk.document("1").parent().unwrap()).unwrap();
            fs::write(desk.qa_file(), file.to_string()).unwrap();
            for (name, text) in
                [("1", "born in York. ".repeat(20)), ("2", "Oslo".into()), ("3", "York".into())]
            {
                fs::write(desk.document(name), text).unwrap();
            }
            desk
        }

        fn qa_file(&self) -> PathBuf {
            self.folder.path().join("qa/train.json")
        }

        fn document(&self, name: &str) -> PathBuf {
            self.folder.path().join(format!("evidence/wikipedia/{name}.txt"))
        }

        fn cache(&self) -> PathBuf {
            self.folder.path().join("cache")
        }

        fn cached(&self, settings: &ExampleSettings) -> Result<DocumentFile, TextError> {
            let (tokenizer, interrupt) = (testing::byte_level_once(), Interrupt::default());
            cached(&self.cache(), &self.qa_file(), tokenizer, settings, &interrupt, &mut |_| {})
        }
    }

    #[test]
    fn every_question_is_laid_out_with_every_document_that_holds_the_answer() {
        let desk = Desk::new();
        let mut seen = Vec::new();
        let (tokenizer, interrupt) = (testing::byte_level_once(), Interrupt::default());
        let mut watch = |progress: Progress| seen.push((progress.done, progress.documents));
        let file =
            cached(&desk.cache(), &desk.qa_file(), tokenizer, &SETTINGS, &interrupt, &mut watch).unwrap();
        assert_eq!((file.len(), file.left_out()), (3, 1));
        assert_eq!(seen.last(), Some(&(4, 4)));
        assert_eq!(file.example(0).unwrap(), file.example(2).unwrap());
        assert_eq!(file.example(1).unwrap().slices.len(), 1);
    }

    #[test]
    fn examples_are_made_once_and_anew_where_a_document_or_a_setting_changes() {
        let desk = Desk::new();
        let keys =
            |settings| (desk.cached(settings).unwrap().key(), fs::read_dir(desk.cache()).unwrap().count());
        let (first, _) = keys(&SETTINGS);
        assert_eq!(keys(&SETTINGS), (first, 1));
        fs::write(desk.document("2"), "York after all").unwrap();
        let (second, files) = keys(&SETTINGS);
        assert_eq!((second != first, files), (true, 2));
        let (third, files) = keys(&ExampleSettings { max_answer_spans: 3, ..SETTINGS });
        assert_eq!((third != second, files), (true, 3));
    }

    #[test]
    fn the_number_of_threads_changes_no_byte() {
        let desk = Desk::new();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let path = pool.install(|| desk.cached(&SETTINGS)).unwrap().path().to_owned();
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(path).unwrap();
            bytes
        };
        assert!(with(1) == with(3));
    }

    #[test]
    fn a_missing_document_is_named_with_its_question_and_leaves_nothing() {
        let desk = Desk::new();
        fs::remove_file(desk.document("3")).unwrap();
        match desk.cached(&SETTINGS).unwrap_err() {
            TextError::Corpus(CorpusError::MissingDocument { id, document, .. }) => {
                assert_eq!((id.as_str(), document), ("b", desk.document("3")));
            }
            other => panic!("{other}"),
        }
        fs::write(desk.document("3"), b"\xff").unwrap();
        let error = desk.cached(&SETTINGS).unwrap_err();
        assert!(matches!(error, TextError::Corpus(CorpusError::NotUtf8 { .. })), "{error}");
        assert_eq!(fs::read_dir(desk.cache()).unwrap().count(), 0);
    }

    #[test]
    fn an_interrupted_run_leaves_nothing_and_a_file_under_a_foreign_name_is_refused() {
        let desk = Desk::new();
        let (tokenizer, interrupt) = (testing::byte_level_once(), Interrupt::default());
        interrupt.request();
        let stopped = cached(&desk.cache(), &desk.qa_file(), tokenizer, &SETTINGS, &interrupt, &mut |_| {});
        assert!(matches!(stopped, Err(TextError::Interrupted { .. })));
        assert!(!desk.cache().exists());
        let first = desk.cached(&SETTINGS).unwrap();
        fs::write(desk.document("2"), "York after all").unwrap();
        let second = desk.cached(&SETTINGS).unwrap();
        fs::copy(first.path(), second.path()).unwrap();
        assert!(matches!(desk.cached(&SETTINGS), Err(TextError::TokenFile { .. })));
    }
}
