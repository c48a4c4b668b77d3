//! How many questions each task reads from the real files, and where the answers of joined contexts stand.

mod support;

use std::num::NonZeroUsize;
use std::path::Path;

use longqa::corpus::{KeptQuestions, QaDataset, Reading, Task, mlqa, tydiqa};

const XQUAD: [&str; 12] = ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"];

fn read(reading: &Reading, path: &Path) -> QaDataset {
    let dataset = reading.read(path).unwrap();
    for question in &dataset.questions {
        let context: Vec<char> = dataset.context_of(question).chars().collect();
        for answer in &question.answers {
            let there: String = context[answer.start..answer.end()].iter().collect();
            assert_eq!(there, answer.text, "{}", question.id);
        }
    }
    dataset
}

#[test]
fn squad_is_read_whole_or_one_question_for_each_of_2067_contexts() {
    let Some(mirror) = support::mirror() else { return };
    let path = mirror.join("squad/dev-v1.1.json");
    assert_eq!(read(&Reading::of(Task::Squad), &path).questions.len(), 10_570);
    for n_concat in [1, 3, 5, 10, 16] {
        let n_concat = NonZeroUsize::new(n_concat).unwrap();
        let first = read(&Reading { n_concat, ..Reading::of(Task::Sq3) }, &path);
        let counts = (first.questions.len(), first.contexts.len());
        assert_eq!(counts, (2067, 2067_usize.div_ceil(n_concat.get())));
        let all = read(&Reading { n_concat, kept: KeptQuestions::All, ..Reading::of(Task::Sq3) }, &path);
        assert_eq!(all.questions.len(), 10_570);
        assert_eq!(all.contexts, first.contexts);
    }
}

#[test]
fn xquad_is_read_whole_or_one_question_for_each_of_240_contexts() {
    let Some(mirror) = support::mirror() else { return };
    for language in XQUAD {
        let path = mirror.join(format!("xquad/xquad.{language}.json"));
        let language = Some(language.to_owned());
        let whole = read(&Reading { language: language.clone(), ..Reading::of(Task::Xquad) }, &path);
        assert_eq!((whole.questions.len(), whole.contexts.len()), (1190, 240));
        let joined = read(&Reading { language, ..Reading::of(Task::Xq3) }, &path);
        assert_eq!((joined.questions.len(), joined.contexts.len()), (240, 80));
        assert_eq!(joined.contexts.concat(), whole.contexts.concat());
    }
}

#[test]
fn tydi_qa_is_read_whole_or_in_each_of_nine_languages() {
    let Some(mirror) = support::mirror() else { return };
    let path = mirror.join("tydiqa-goldp/tydiqa-goldp-v1.1-dev.json");
    let all = read(&Reading::of(Task::TydiQa), &path);
    assert_eq!(all.questions.len(), 5077);
    let counts = tydiqa::Language::ALL.map(|language| {
        let language = Some(language.code().to_owned());
        read(&Reading { language, ..Reading::of(Task::TydiQa) }, &path).questions.len()
    });
    assert_eq!(counts, [921, 113, 440, 782, 565, 276, 812, 499, 669]);
    assert_eq!(counts.iter().sum::<usize>(), 5077);
    let english = Reading { language: Some("en".to_owned()), ..Reading::of(Task::TydiQa) };
    assert_eq!(read(&english, &mirror.join("tydiqa-goldp/english-train.json")).questions.len(), 3696);
}

/// XQuAD has MLQA's layout, and its files have the same ids in each language: a pair of the right name is
/// read, and its halves are found to disagree, since they are translations.
#[test]
fn files_under_mlqas_names_are_read_as_mlqa() {
    let Some(mirror) = support::mirror() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in
        [("de", "context-de-question-de"), ("de", "context-de-question-en"), ("en", "context-en-question-de")]
    {
        let to = folder.path().join(format!("test-{to}.json"));
        std::fs::copy(mirror.join(format!("xquad/xquad.{from}.json")), to).unwrap();
    }
    let path = folder.path().join("test-context-de-question-en.json");
    assert_eq!(read(&Reading::of(Task::Mlqa), &path).questions.len(), 1190);
    let pair = mlqa::Pair { context: mlqa::Language::German, question: mlqa::Language::English };
    assert_eq!(mlqa::Pair::of_file_name(&path), Some(pair));
    std::fs::copy(mirror.join("xquad/xquad.en.json"), &path).unwrap();
    let error = Reading::of(Task::Mlqa).read(&path).unwrap_err().to_string();
    assert!(error.contains("question \"56beb4343aeaaa14008c925b\": expected the same context in"), "{error}");
}
