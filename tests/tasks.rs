//! The tasks on their real files: how many questions each reads, that answers stand where they should, and that a
//! prediction that is the gold answer scores 100. MLQA's files are not among them; XQuAD's, which have the same
//! layout, stand in.

mod support;

use std::collections::HashSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use flate2::read::GzDecoder;
use longqa::corpus::{KeptQuestions, QaDataset, Reading, Task, mlqa, triviaqa, tydiqa};
use longqa::qa::metrics::{self, evaluate};
use longqa::qa::{Evaluation, Gold, Predictions, Rules};

const XQUAD: [&str; 12] = ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"];

fn read(reading: &Reading, path: &Path) -> QaDataset {
    let dataset = reading.read(path).unwrap();
    let contexts: Vec<Vec<char>> = dataset.contexts.iter().map(|context| context.chars().collect()).collect();
    for question in &dataset.questions {
        let context = &contexts[question.context];
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
        fs::copy(mirror.join(format!("xquad/xquad.{from}.json")), to).unwrap();
    }
    let path = folder.path().join("test-context-de-question-en.json");
    assert_eq!(read(&Reading::of(Task::Mlqa), &path).questions.len(), 1190);
    let pair = mlqa::Pair { context: mlqa::Language::German, question: mlqa::Language::English };
    assert_eq!(mlqa::Pair::of_file_name(&path), Some(pair));
    fs::copy(mirror.join("xquad/xquad.en.json"), &path).unwrap();
    let error = Reading::of(Task::Mlqa).read(&path).unwrap_err().to_string();
    assert!(error.contains("question \"56beb4343aeaaa14008c925b\": expected the same context in"), "{error}");
}

/// What the `answer`-th accepted answer of each question, or its last one, scores. Three questions of SQuAD dev
/// accept a full stop too, of which nothing is left to compare: it matches, with an F1 of 0 officially.
fn score_of_gold(rules: Rules, gold: &Gold, answer: usize) -> Evaluation {
    let nth = |answers: &[&str]| {
        let mut words = answers.iter().filter(|text| !rules.normalize(text).is_empty());
        words.clone().nth(answer).or(words.next_back()).map(|text| (*text).to_owned())
    };
    let given = gold.questions.iter().filter_map(|q| Some((q.id.to_string(), nth(&q.answers)?)));
    let predictions: Predictions = given.collect();
    let found = evaluate(rules, gold, &predictions, &HashSet::new()).unwrap();
    assert_eq!((found.unanswered, found.unknown), (0, 0));
    found
}

fn assert_gold_scores_100(reading: &Reading, path: &Path) {
    let dataset = reading.read(path).unwrap();
    let rules = Rules::of(reading, path).unwrap();
    for answer in [0, 1, 5] {
        let scores = score_of_gold(rules, &Gold::from(&dataset), answer).scores;
        assert_eq!((scores.exact_match, scores.f1), (100.0, 100.0), "{} {}", reading.task, path.display());
        assert_eq!(scores.total, dataset.questions.len());
    }
}

#[test]
fn gold_answers_score_100_in_every_task_of_the_squad_layout() {
    let Some(mirror) = support::mirror() else { return };
    let squad = mirror.join("squad/dev-v1.1.json");
    assert_gold_scores_100(&Reading::of(Task::Squad), &squad);
    assert_gold_scores_100(&Reading::of(Task::Sq3), &squad);
    assert_gold_scores_100(
        &Reading::of(Task::TydiQa),
        &mirror.join("tydiqa-goldp/tydiqa-goldp-v1.1-dev.json"),
    );
    let folder = tempfile::tempdir().unwrap();
    for language in XQUAD {
        let xquad = mirror.join(format!("xquad/xquad.{language}.json"));
        assert_gold_scores_100(&Reading::of(Task::Xquad), &xquad);
        assert_gold_scores_100(&Reading::of(Task::Xq3), &xquad);
        if mlqa::Language::ALL.into_iter().any(|other| other.code() == language) {
            let mlqa = folder.path().join(format!("dev-context-{language}-question-{language}.json"));
            fs::copy(xquad, &mlqa).unwrap();
            assert_gold_scores_100(&Reading::of(Task::Mlqa), &mlqa);
        }
    }
}

#[test]
fn gold_answers_score_100_in_triviaqa() {
    let Some(mirror) = support::mirror() else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = fs::File::open(mirror.join("triviaqa/triviaqa-sample.tgz")).unwrap();
    tar::Archive::new(GzDecoder::new(archive)).unpack(folder.path()).unwrap();
    for (name, keys) in [("wikipedia-dev", 2), ("web-dev", 5)] {
        let file = triviaqa::read(&folder.path().join(format!("qa/{name}.json"))).unwrap();
        let gold = Gold::from(&file);
        for answer in [0, 1, 100] {
            let found = score_of_gold(Rules::TriviaQa, &gold, answer);
            let report = metrics::triviaqa::Report::of(&found, keys);
            assert_eq!((report.exact_match, report.f1), (100.0, 100.0), "{name}");
            assert_eq!((report.common, report.denominator, report.gold_len), (keys, keys, keys), "{name}");
        }
    }
}

#[test]
fn tydi_qas_number_is_the_mean_over_the_languages_but_english() {
    let Some(mirror) = support::mirror() else { return };
    let path = mirror.join("tydiqa-goldp/tydiqa-goldp-v1.1-dev.json");
    let dataset = Reading::of(Task::TydiQa).read(&path).unwrap();
    // All of Korean and English is right, and nothing else.
    let right = dataset.only(|question| {
        let language = tydiqa::Language::of_id(&question.id);
        language == Some(tydiqa::Language::Korean) || language == Some(tydiqa::Language::English)
    });
    let given =
        right.questions.iter().map(|question| (question.id.clone(), question.answers[0].text.clone()));
    let found = evaluate(Rules::Squad, &Gold::from(&dataset), &given.collect(), &HashSet::new()).unwrap();
    let report = metrics::tydiqa::Report::of(&dataset, &found);
    assert_eq!(report.outside_english(), Some((12.5, 12.5)));
    assert_eq!(report.by_language.len(), 9);
    assert_eq!(report.by_language[&tydiqa::Language::English].total, 440);
    assert_eq!(report.all.exact_match, 100.0 * (276.0 + 440.0) / 5077.0);
}
