//! The miniature's files for MLQA, TyDi QA and TriviaQA: layouts, ids, and answers where they should be.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use longqa::corpus::miniature::{self, Language, MiniatureFiles, MiniatureSettings, MlqaSplit};
use longqa::corpus::{QaDataset, mlqa, triviaqa, tydiqa};
use longqa::random::Seed;
use serde_json::Value;
use tempfile::TempDir;

mod support;

fn written() -> (TempDir, MiniatureFiles) {
    let settings = MiniatureSettings {
        wiki_train_articles: 1,
        wiki_valid_articles: 1,
        train_documents: 1,
        dev_documents: 1,
        parallel_documents: 1,
        mlqa_dev_documents: 2,
        mlqa_test_documents: 4,
        tydiqa_train_questions: 60,
        tydiqa_dev_questions: 30,
        triviaqa_train_questions: 60,
        triviaqa_dev_questions: 9,
        ..MiniatureSettings::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let files = miniature::write(Seed(42), &settings, folder.path()).unwrap();
    (folder, files)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn mlqa_asks_the_same_questions_in_every_pair_of_languages() {
    let (_folder, files) = written();
    for (split, questions) in [(MlqaSplit::Dev, 10), (MlqaSplit::Test, 20)] {
        let pairs: BTreeMap<(Language, Language), QaDataset> = files
            .mlqa
            .iter()
            .filter(|file| file.split == split)
            .map(|file| ((file.context, file.question), mlqa::read(&file.path, None, None).unwrap()))
            .collect();
        assert_eq!(pairs.len(), 9);
        let ids = |dataset: &QaDataset| {
            dataset.questions.iter().map(|question| question.id.clone()).collect::<Vec<_>>()
        };
        for (&(context, question), dataset) in &pairs {
            assert_eq!(dataset.questions.len(), questions);
            assert_eq!(ids(dataset), ids(&pairs[&(Language::English, Language::English)]));
            // The contexts and answers are those of the one language, the questions those of the other.
            let (of_context, of_question) = (&pairs[&(context, context)], &pairs[&(question, question)]);
            assert_eq!(dataset.contexts, of_context.contexts);
            for (place, asked) in dataset.questions.iter().enumerate() {
                assert_eq!(asked.answers, of_context.questions[place].answers);
                assert_eq!(asked.text, of_question.questions[place].text);
                assert!(miniature::facts(dataset.context_of(asked)).contains(&asked.answers[0]));
                assert!(asked.id.len() == 40 && asked.id.chars().all(|digit| digit.is_ascii_hexdigit()));
            }
        }
    }
    let names: HashSet<&str> =
        files.mlqa.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap()).collect();
    assert!(
        names.contains("test-context-en-question-hi.json")
            && names.contains("dev-context-ar-question-ar.json")
    );
}

#[test]
fn tydi_ids_say_language_article_and_question_and_each_passage_has_one() {
    let (_folder, files) = written();
    let mut all = HashSet::new();
    for (path, each) in [(&files.tydiqa_train, 20), (&files.tydiqa_dev, 10)] {
        let dataset = tydiqa::read(path).unwrap();
        assert_eq!(dataset.contexts.len(), dataset.questions.len());
        let mut languages = BTreeMap::new();
        let mut negative = 0;
        for question in &dataset.questions {
            let (language, rest) = question.id.split_once('-').unwrap();
            let (article, number) = rest.rsplit_once('-').unwrap();
            let article: i64 = article.parse().unwrap();
            negative += usize::from(article < 0);
            assert!(number.parse::<u32>().unwrap() < 20);
            let script = match language {
                "english" => 'a'..='z',
                "arabic" => 'ء'..='ي',
                "russian" => 'а'..='я',
                other => panic!("{other}"),
            };
            let letters: Vec<char> =
                question.text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect();
            assert!(letters.iter().filter(|&&letter| script.contains(&letter)).count() > letters.len() / 2);
            *languages.entry(language.to_owned()).or_insert(0) += 1;
            assert!(all.insert(question.id.clone()));
        }
        assert_eq!(languages.into_values().collect::<Vec<_>>(), [each; 3]);
        assert!(negative > 0 && negative < dataset.questions.len());
    }
}

/// The paths of all keys: `Data[].Answer.Aliases[]`.
fn keys(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| keys(value, &format!("{at}.{key}"), found))
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, &format!("{at}[]"), found)),
        _ => {
            found.insert(at.to_owned());
        }
    }
}

fn keys_of(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    keys(value, "", &mut found);
    found
}

#[test]
fn triviaqa_has_the_keys_of_the_real_files() {
    let Some(mirror) = support::mirror() else { return };
    let sample = File::open(mirror.join("triviaqa/triviaqa-sample.tgz")).unwrap();
    let mut real = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(sample)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if ["qa/wikipedia-train.json", "qa/wikipedia-dev.json"].contains(&name.as_str()) {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            real.insert(name, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
    let (_folder, files) = written();
    for (ours, name) in
        [(&files.triviaqa.train, "qa/wikipedia-train.json"), (&files.triviaqa.dev, "qa/wikipedia-dev.json")]
    {
        let (ours, real) = (json(ours), &real[name]);
        let mut expected = keys_of(real);
        // Of pages that were found by a search alone.
        expected.remove(".Data[].EntityPages[].originalUrl");
        assert_eq!(keys_of(&ours), expected);
        for key in ["Domain", "Split", "VerifiedEval", "Version"] {
            assert_eq!(ours[key], real[key]);
        }
    }
}

/// The official normalization, of texts without other punctuation than stops.
fn normalized(text: &str) -> String {
    let text = text.to_lowercase().replace('.', " ");
    let words: Vec<&str> =
        text.split_whitespace().filter(|word| !["a", "an", "the"].contains(word)).collect();
    words.join(" ")
}

#[test]
fn every_alias_stands_in_one_document_of_its_question_or_in_both() {
    let (_folder, files) = written();
    let evidence = files.triviaqa.folder.join("evidence/wikipedia");
    let mut with_answer = [0; 3];
    let (mut places, mut long) = (BTreeSet::new(), 0);
    let mut ids = HashSet::new();
    for path in [&files.triviaqa.train, &files.triviaqa.dev] {
        for question in triviaqa::read(path).unwrap().questions {
            assert!(question.documents.iter().all(|document| document.text(path, &question.id).is_ok()));
        }
        for question in json(path)["Data"].as_array().unwrap() {
            assert!(ids.insert(question["QuestionId"].as_str().unwrap().to_owned()));
            let documents: Vec<String> = question["EntityPages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|page| fs::read_to_string(evidence.join(page["Filename"].as_str().unwrap())).unwrap())
                .collect();
            assert_eq!(documents.len(), 2);
            let answer = &question["Answer"];
            let aliases = strings(&answer["NormalizedAliases"]);
            assert_eq!(aliases.len(), 2);
            assert!(aliases.contains(&answer["NormalizedValue"].as_str().unwrap()));
            let spelled = strings(&answer["Aliases"]).into_iter().map(normalized);
            assert_eq!(spelled.collect::<Vec<_>>(), aliases);
            let value = answer["Value"].as_str().unwrap();
            let mut holding = 0;
            for document in &documents {
                let times = aliases.iter().map(|alias| normalized(document).matches(alias).count());
                let times: BTreeSet<usize> = times.collect();
                assert_eq!(times.len(), 1, "{aliases:?}");
                let stands = miniature::facts(document).iter().any(|fact| fact.text == value);
                assert_eq!(stands, !times.contains(&0));
                if stands {
                    holding += 1;
                    places.extend(times);
                } else {
                    let name = value.split(' ').next().unwrap();
                    assert!(!document.contains(&format!(" {name} ")));
                }
            }
            with_answer[holding] += 1;
            for document in &documents {
                assert_eq!(miniature::facts(document).len(), document.matches('.').count());
                long += usize::from(document.matches('.').count() > 20);
            }
        }
    }
    assert_eq!(with_answer[0], 0);
    assert!(with_answer[1] > 20 && with_answer[2] > 20, "{with_answer:?}");
    assert_eq!(places, BTreeSet::from([1, 2]));
    assert!((30..110).contains(&long), "{long} of 138");
}

#[test]
fn verified_questions_are_every_second_one_of_the_development_set() {
    let (_folder, files) = written();
    let (dev, verified) = (json(&files.triviaqa.dev), json(&files.triviaqa.verified));
    assert_eq!(verified["VerifiedEval"], true);
    let ids = |file: &Value| {
        let questions = file["Data"].as_array().unwrap().iter();
        questions.map(|question| question["QuestionId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let read = triviaqa::read(&files.triviaqa.verified).unwrap();
    let answers = |question: &triviaqa::TriviaQuestion| question.answer.as_ref().unwrap().human_answers.len();
    assert_eq!(read.questions.iter().map(answers).collect::<Vec<_>>(), [1; 5]);
    let every_second: Vec<String> = ids(&dev).into_iter().step_by(2).collect();
    assert_eq!(ids(&verified), every_second);
    for question in verified["Data"].as_array().unwrap() {
        assert_eq!(question["QuestionPartOfVerifiedEval"], true);
        assert_eq!(
            strings(&question["Answer"]["HumanAnswers"]),
            [question["Answer"]["Value"].as_str().unwrap()]
        );
    }
}
