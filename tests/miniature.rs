//! The built-in miniature, read back through the same readers as real data.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;

use longqa::corpus::miniature::{self, Language, MiniatureFiles, MiniatureSettings};
use longqa::corpus::{CorpusError, QaDataset, squad};
use longqa::digest::{Digest, Hasher};
use longqa::qa::chance;
use longqa::random::Seed;
use tempfile::TempDir;

fn small() -> MiniatureSettings {
    MiniatureSettings {
        wiki_train_articles: 24,
        wiki_valid_articles: 6,
        train_documents: 30,
        dev_documents: 12,
        parallel_documents: 4,
        mlqa_dev_documents: 2,
        mlqa_test_documents: 3,
        tydiqa_train_questions: 12,
        tydiqa_dev_questions: 6,
        triviaqa_train_questions: 12,
        triviaqa_dev_questions: 5,
        ..MiniatureSettings::default()
    }
}

fn written(seed: u64, settings: &MiniatureSettings) -> (TempDir, MiniatureFiles) {
    let folder = tempfile::tempdir().unwrap();
    let files = miniature::write(Seed(seed), settings, folder.path()).unwrap();
    (folder, files)
}

/// Every file by its path below the folder.
fn digests(seed: u64, settings: &MiniatureSettings) -> BTreeMap<String, Digest> {
    let (folder, _) = written(seed, settings);
    let mut digests = BTreeMap::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder.path()).unwrap().display().to_string();
                digests.insert(name, Digest::of_file(&path).unwrap());
            }
        }
    }
    digests
}

/// Those of training, development, each language of the parallel documents, and TyDi QA's two.
fn data_sets(settings: &MiniatureSettings) -> Vec<QaDataset> {
    let (_folder, files) = written(42, settings);
    let paths = [&files.train, &files.dev].into_iter().chain(files.parallel.values());
    let paths = paths.chain([&files.tydiqa_train, &files.tydiqa_dev]);
    paths.map(|path| squad::read(path).unwrap()).collect()
}

fn ids(dataset: &QaDataset) -> Vec<&str> {
    dataset.questions.iter().map(|question| question.id.as_str()).collect()
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
    assert!(one.iter().all(|(name, digest)| other[name] != *digest));
}

#[test]
fn one_size_does_not_change_the_other_files() {
    let base = digests(1, &small());
    let changed = |settings: MiniatureSettings| {
        let other = digests(1, &settings);
        let same = |name: &String| other.get(name) == base.get(name);
        let names: BTreeSet<&String> = base.keys().chain(other.keys()).filter(|name| !same(name)).collect();
        names.into_iter().cloned().collect::<Vec<_>>()
    };
    let more = |change: fn(&mut MiniatureSettings)| {
        let mut settings = small();
        change(&mut settings);
        changed(settings)
    };
    assert_eq!(more(|settings| settings.train_documents += 1), ["train-v1.1.json"]);
    assert_eq!(more(|settings| settings.tydiqa_dev_questions += 1), ["tydiqa-goldp-dev.json"]);
    assert_eq!(more(|settings| settings.mlqa_dev_documents += 1).len(), 9);
    let of_triviaqa = more(|settings| settings.triviaqa_dev_questions += 1);
    assert_eq!(
        of_triviaqa,
        [
            "triviaqa/evidence/wikipedia/Miniature_dev_5_0.txt",
            "triviaqa/evidence/wikipedia/Miniature_dev_5_1.txt",
            "triviaqa/qa/wikipedia-dev.json",
        ]
    );
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
    let parallel = &data_sets[2..2 + Language::ALL.len()];
    for dataset in parallel {
        assert_eq!(dataset.contexts.len(), settings.parallel_documents);
        assert_eq!(ids(dataset), ids(&parallel[0]));
        let facts = |dataset: &QaDataset| {
            dataset.contexts.iter().map(|context| miniature::facts(context).len()).collect::<Vec<_>>()
        };
        assert_eq!(facts(dataset), facts(&parallel[0]));
    }
}

#[test]
fn no_two_documents_are_the_same() {
    let data_sets = data_sets(&small());
    let contexts: Vec<&String> = data_sets.iter().flat_map(|dataset| &dataset.contexts).collect();
    assert_eq!(contexts.iter().collect::<HashSet<_>>().len(), contexts.len());
}

#[test]
fn the_text_looks_like_wikitext_and_has_every_script_and_combining_marks() {
    let (_folder, files) = written(42, &small());
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
    let two = MiniatureSettings { min_facts: 2, questions_per_document: 1, ..small() };
    assert_eq!(key(two), "min_facts");
    assert_eq!(key(MiniatureSettings { triviaqa_dev_questions: 0, ..small() }), "triviaqa_dev_questions");
    assert_eq!(key(MiniatureSettings { dev_documents: 0, ..small() }), "dev_documents");
    assert_eq!(key(MiniatureSettings { question_languages: Vec::new(), ..small() }), "question_languages");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A change of this number changes what every trial was trained on.
#[test]
fn the_text_and_the_squad_files_of_a_seed_stay_the_same_from_release_to_release() {
    let digests = digests(42, &small());
    let mut hasher = Hasher::default();
    for name in ["wiki.train.raw", "wiki.valid.raw", "train-v1.1.json", "dev-v1.1.json"] {
        hasher.field(digests[name].bytes());
    }
    for language in Language::ALL {
        hasher.field(digests[&format!("xquad.{language}.json")].bytes());
    }
    let expected = "2e4e091e405b252da61e8502e192b71ace43d9704350c3926eceee58ab60be52";
    assert_eq!(hasher.digest().to_string(), expected);
}
