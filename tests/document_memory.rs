//! Making training examples of documents takes the memory of some documents, not of all. A program of
//! its own, because the peak is that of the process.

#![cfg(target_os = "linux")]

use std::fs;

use longqa::corpus::Task;
use longqa::interrupt::Interrupt;
use longqa::text::examples;
use longqa::train::settings::FinetuneSettings;
use serde_json::json;

mod support;
use support::memory::{peak, tokenizer};

const DOCUMENTS: usize = 100;

#[test]
fn documents_are_never_held_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence/wikipedia");
    fs::create_dir_all(&evidence).unwrap();
    fs::create_dir_all(folder.path().join("qa")).unwrap();
    let text = "A paragraph about York that goes on .\n".repeat(18_000);
    let pages: Vec<_> = (0..DOCUMENTS).map(|page| json!({"Filename": format!("{page}.txt")})).collect();
    for page in 0..DOCUMENTS {
        fs::write(evidence.join(format!("{page}.txt")), &text).unwrap();
    }
    let answer = json!({"NormalizedAliases": ["york"]});
    let question = json!({"QuestionId": "a", "Question": "?", "Answer": answer, "EntityPages": pages});
    let qa_file = folder.path().join("qa/train.json");
    fs::write(&qa_file, json!({"Domain": "Wikipedia", "Data": [question]}).to_string()).unwrap();
    let tokenizer = tokenizer();
    let settings = FinetuneSettings::for_task(Task::TriviaQa).examples().unwrap();
    // Few threads, so that the documents in work are few on every machine.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let (before, bytes) = (peak(), (DOCUMENTS * text.len()) as u64);
    let interrupt = Interrupt::default();
    let made = pool.install(|| {
        examples::cached(folder.path(), &qa_file, &tokenizer, &settings, &interrupt, &mut |_| {})
    });
    let grown = peak().saturating_sub(before);
    println!("{bytes} bytes of documents, {grown} bytes of memory");
    assert_eq!(made.unwrap().len(), DOCUMENTS);
    assert!(grown < bytes / 2, "{grown} bytes of memory for {bytes} bytes of documents");
}
