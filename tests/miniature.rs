//! The built-in miniature, read back through the same readers as real data.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use longqa::corpus::miniature::{self, Language, MiniatureFiles, MiniatureSettings};
use longqa::corpus::{CorpusError, QaDataset, squad};
use longqa::digest::Digest;
use longqa::qa::chance;
use longqa::random::Seed;

fn small() -> MiniatureSettings {
    MiniatureSettings {
        wiki_train_articles: 24,
        wiki_valid_articles: 6,
        train_documents: 30,
        dev_documents: 12,
        parallel_documents: 4,
        ..MiniatureSettings::default()
    }
}

fn all(files: &MiniatureFiles) -> Vec<&Path> {
    let named = [&files.wiki_train, &files.wiki_valid, &files.train, &files.dev];
    named.into_iter().chain(files.parallel.values()).map(|path| path.as_path()).collect()
}

fn digests(seed: u64, settings: &MiniatureSettings) -> Vec<Digest> {
    let folder = tempfile::tempdir().unwrap();
    let files = miniature::write(Seed(seed), settings, folder.path()).unwrap();
    all(&files).into_iter().map(|path| Digest::of_file(path).unwrap()).collect()
}

fn data_sets(settings: &MiniatureSettings) -> Vec<QaDataset> {
    let folder = tempfile::tempdir().unwrap();
    let files = miniature::write(Seed(42), settings, folder.path()).unwrap();
    all(&files)[2..].iter().map(|path| squad::read(path).unwrap()).collect()
}

#[test]
fn every_file_reads_back_and_every_answer_stands_at_its_start_and_holds_the_name_asked_for() {
    for dataset in data_sets(&small()) {
        for question in &dataset.questions {
            let [answer] = &question.answers[..] else { panic!("{question:?}") };
            let context = dataset.context_of(question);
            let there: String =
                context.chars().skip(answer.start).take(answer.text.chars().count()).collect();
            assert_eq!(there, answer.text);
            // Only one fact of the document holds a name that the question names too.
            let named =
                |name: &str| [" ", "、"].iter().any(|gap| question.text.contains(&[gap, name].concat()));
            let holds = |text: &str| text.split([' ', 'は']).next().is_some_and(named);
            let facts = miniature::facts(context);
            assert!(facts.contains(answer));
            assert_eq!(facts.iter().filter(|fact| holds(&fact.text)).count(), 1, "{}", question.text);
            assert!(holds(&answer.text));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (one, again, other) = (digests(1, &small()), digests(1, &small()), digests(2, &small()));
    assert_eq!(one, again);
    assert!(one.iter().all(|digest| !other.contains(digest)));
}

#[test]
fn one_size_does_not_change_the_other_files() {
    let more = MiniatureSettings { train_documents: 31, ..small() };
    let changed =
        digests(1, &small()).iter().zip(&digests(1, &more)).map(|(a, b)| a != b).collect::<Vec<_>>();
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);
    assert!(changed[2]);
}

#[test]
fn answers_stand_at_every_depth_alike() {
    let settings = MiniatureSettings { train_documents: 200, ..small() };
    let dataset = &data_sets(&settings)[0];
    let mut fifths = [0usize; 5];
    for question in &dataset.questions {
        let length = dataset.context_of(question).chars().count();
        fifths[5 * question.answers[0].start / length] += 1;
    }
    // 1000 questions of 16 to 18 facts each: three or four facts begin in each fifth.
    assert!(fifths.iter().all(|count| (140..=280).contains(count)), "{fifths:?}");
}

#[test]
fn chance_is_one_in_as_many_as_there_are_facts() {
    for dataset in data_sets(&small()) {
        let one_in = |question| 1.0 / miniature::facts(dataset.context_of(question)).len() as f64;
        let expected =
            100.0 * dataset.questions.iter().map(one_in).sum::<f64>() / dataset.questions.len() as f64;
        let chance = chance::expected(&dataset, miniature::facts).unwrap();
        assert!((chance.exact_match - expected).abs() < 1e-9, "{chance} {expected}");
        assert!(chance.f1 >= chance.exact_match && chance.exact_match < 7.5, "{chance}");
    }
}

#[test]
fn parallel_documents_say_the_same_in_every_language() {
    let settings = small();
    let data_sets = data_sets(&settings);
    let parallel = &data_sets[2..];
    assert_eq!(parallel.len(), Language::ALL.len());
    for dataset in parallel {
        assert_eq!(dataset.contexts.len(), settings.parallel_documents);
        let ids = |dataset: &QaDataset| {
            dataset.questions.iter().map(|question| question.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(dataset), ids(&parallel[0]));
        let facts = |dataset: &QaDataset| {
            dataset.contexts.iter().map(|context| miniature::facts(context).len()).collect::<Vec<_>>()
        };
        assert_eq!(facts(dataset), facts(&parallel[0]));
    }
}

#[test]
fn no_development_document_is_a_training_document() {
    let data_sets = data_sets(&small());
    let training: HashSet<&String> = data_sets[0].contexts.iter().collect();
    assert!(
        data_sets[1..]
            .iter()
            .flat_map(|dataset| &dataset.contexts)
            .all(|context| !training.contains(context))
    );
}

#[test]
fn the_text_looks_like_wikitext_and_has_every_script_and_combining_marks() {
    let folder = tempfile::tempdir().unwrap();
    let files = miniature::write(Seed(42), &small(), folder.path()).unwrap();
    let text = fs::read_to_string(&files.wiki_train).unwrap();
    assert!(text.lines().all(|line| line.starts_with(' ') && (line == " " || line.ends_with(' '))));
    assert_eq!(text.lines().filter(|line| line.starts_with(" = ")).count(), small().wiki_train_articles);
    for sample in [
        'O', 'Я', 'Ω', 'م', 'म', '東', 'ラ', '\u{308}', '\u{306}', '\u{301}', '\u{64f}', '\u{93c}',
        '\u{3099}',
    ] {
        assert!(text.contains(sample.to_lowercase().next().unwrap()) || text.contains(sample), "{sample:?}");
    }
}

#[test]
fn sizes_that_cannot_be_made_name_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = |settings: MiniatureSettings| match miniature::write(Seed(1), &settings, folder.path()) {
        Err(CorpusError::Setting { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(MiniatureSettings { max_facts: 21, ..small() }), "max_facts");
    assert_eq!(key(MiniatureSettings { min_facts: 3, ..small() }), "min_facts");
    assert_eq!(key(MiniatureSettings { dev_documents: 0, ..small() }), "dev_documents");
    assert_eq!(key(MiniatureSettings { question_languages: Vec::new(), ..small() }), "question_languages");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
