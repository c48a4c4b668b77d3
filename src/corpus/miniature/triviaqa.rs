//! TriviaQA's files, in English: questions whose answers go by two names, each with two evidence
//! documents, of which one or both hold the answer.
//!
//! A document tells some of its facts twice, in paragraphs, so that an answer may have two places and
//! that many documents are longer than 512 tokens. A document without the answer names neither
//! the person nor the place that are asked for.

use std::fs;
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::{Value, json};

use super::document::{Asked, Document, Fact};
use super::language::{Language, Lexicon};
use super::settings::MiniatureSettings;
use super::streams::Part;
use crate::corpus::CorpusError;
use crate::durable::{PendingFolder, WriteError};
use crate::random::Seed;

/// Sentences of one paragraph.
const SENTENCES: usize = 6;
/// One question in so many is in the verified set.
const VERIFIED: usize = 2;
/// Words that normalizing leaves out.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// Where TriviaQA's files are. The documents lie in `evidence/wikipedia/` beside `qa/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriviaQaFiles {
    /// The folder of `qa/` and `evidence/`.
    pub folder: PathBuf,
    /// `qa/wikipedia-train.json`.
    pub train: PathBuf,
    /// `qa/wikipedia-dev.json`.
    pub dev: PathBuf,
    /// `qa/verified-wikipedia-dev.json`: those of the development questions that people checked.
    pub verified: PathBuf,
}

impl TriviaQaFiles {
    pub(super) fn below(folder: &Path) -> Self {
        let at = |name: &str| folder.join("qa").join(name);
        Self {
            folder: folder.to_owned(),
            train: at("wikipedia-train.json"),
            dev: at("wikipedia-dev.json"),
            verified: at("verified-wikipedia-dev.json"),
        }
    }
}

/// Writes everything into `folder`, which appears whole and replaces one of that name.
pub(super) fn write(seed: Seed, settings: &MiniatureSettings, folder: &Path) -> Result<(), CorpusError> {
    let pending = PendingFolder::beside(folder)?;
    let files = TriviaQaFiles::below(pending.path());
    let evidence = pending.path().join("evidence/wikipedia");
    for folder in [&evidence, &pending.path().join("qa")] {
        fs::create_dir_all(folder).map_err(|source| WriteError { path: folder.clone(), source })?;
    }
    let questions = |split: &str, part: Part, count: usize| -> Result<Vec<Value>, WriteError> {
        let question = |number: usize| {
            let drawn = Drawn::draw(&mut part.stream(seed, number), settings);
            drawn.write(&evidence, &format!("{split}_{number}"))
        };
        (0..count).map(question).collect()
    };
    let train = questions("train", Part::TriviaQaTrain, settings.triviaqa_train_questions)?;
    let dev = questions("dev", Part::TriviaQaDev, settings.triviaqa_dev_questions)?;
    let verified: Vec<Value> = dev.iter().step_by(VERIFIED).cloned().map(verified).collect();
    let head = json!({"Domain": "Wikipedia", "Split": "dev", "VerifiedEval": false, "Version": 1.0});
    for (path, key, value, questions) in [
        (&files.train, "Split", json!("train"), train),
        (&files.dev, "Split", json!("dev"), dev),
        (&files.verified, "VerifiedEval", json!(true), verified),
    ] {
        let mut file = head.clone();
        file[key] = value;
        file["Data"] = questions.into();
        put(path, &file.to_string())?;
    }
    pending.commit()?;
    Ok(())
}

/// Writes a file of the pending folder, which is synced as a whole.
fn put(path: &Path, text: &str) -> Result<(), WriteError> {
    fs::write(path, text).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// A question, the fact that answers it, and the documents as text.
struct Drawn {
    form: usize,
    fact: Fact,
    documents: [String; 2],
}

impl Drawn {
    fn draw(random: &mut impl Rng, settings: &MiniatureSettings) -> Self {
        let lexicon = Language::English.lexicon();
        let mut facts = || Document::draw(random, settings).facts;
        let (first, mut second) = (facts(), facts());
        let Asked { fact, form } = Asked::draw(random, first.len());
        let fact = first[fact];
        second.retain(|other| other.name != fact.name && other.place != fact.place);
        if random.random() {
            second.push(fact);
        }
        let mut documents = [first, second].map(|facts| told(random, &facts, lexicon));
        documents.shuffle(random);
        Self { form, fact, documents }
    }

    /// Writes the documents and gives back the question as `qa/*.json` has it.
    fn write(&self, evidence: &Path, id: &str) -> Result<Value, WriteError> {
        let lexicon = Language::English.lexicon();
        let mut pages = Vec::with_capacity(self.documents.len());
        for (number, document) in self.documents.iter().enumerate() {
            let title = format!("Miniature {id} {number}").replace('_', " ");
            let name = title.replace(' ', "_") + ".txt";
            put(&evidence.join(&name), document)?;
            pages.push(json!({"DocSource": "TagMe", "Filename": name, "Title": title}));
        }
        let value = self.fact.answer(lexicon);
        let aliases = [&value, &self.fact.deed(lexicon)];
        Ok(json!({
            "Answer": {
                "Aliases": aliases,
                "MatchedWikiEntityName": value,
                "NormalizedAliases": aliases.map(|alias| normalized(alias)),
                "NormalizedMatchedWikiEntityName": normalized(&value),
                "NormalizedValue": normalized(&value),
                "Type": "WikipediaEntity",
                "Value": value,
            },
            "EntityPages": pages,
            "Question": self.fact.question(self.form, lexicon),
            "QuestionId": id,
            "QuestionSource": "http://miniature.example/",
        }))
    }
}

/// As the official scripts normalize a name without punctuation.
fn normalized(alias: &str) -> String {
    let alias = alias.to_lowercase();
    let words: Vec<&str> = alias.split(' ').filter(|word| !ARTICLES.contains(word)).collect();
    words.join(" ")
}

/// All of `facts` and up to half of them again, in any order.
fn told(random: &mut impl Rng, facts: &[Fact], lexicon: &Lexicon) -> String {
    let again = random.random_range(0..=facts.len() / 2);
    let twice: Vec<Fact> = facts.choose_multiple(random, again).map(|fact| fact.retold(random)).collect();
    let mut all = [facts, &twice].concat();
    all.shuffle(random);
    let sentences: Vec<String> = all.iter().map(|fact| fact.sentence(lexicon)).collect();
    let paragraphs: Vec<String> =
        sentences.chunks(SENTENCES).map(|sentences| sentences.join(lexicon.separator)).collect();
    paragraphs.join("\n\n")
}

/// `question` with what the verified set says besides.
fn verified(mut question: Value) -> Value {
    question["Answer"]["HumanAnswers"] = json!([question["Answer"]["Value"]]);
    question["QuestionPartOfVerifiedEval"] = true.into();
    question["QuestionVerifiedEvalAttempt"] = true.into();
    question
}
