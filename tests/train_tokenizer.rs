//! A tokenizer trained on the miniature: its form, and that nothing but the text decides it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use longqa::corpus::miniature::{self, Language, MiniatureSettings};
use longqa::corpus::squad;
use longqa::random::Seed;
use longqa::text::{TextError, TokenId, train_tokenizer};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

const SIZE: usize = 2000;

fn text(folder: &Path) -> PathBuf {
    let settings =
        MiniatureSettings { wiki_train_articles: 120, train_documents: 1, ..MiniatureSettings::default() };
    miniature::write(Seed(42), &settings, folder).unwrap().wiki_train
}

fn trained(folder: &Path) -> Vec<u8> {
    train_tokenizer::train(&[text(folder)], SIZE, folder).unwrap();
    fs::read(folder.join("tokenizer.json")).unwrap()
}

#[test]
fn training_again_gives_the_same_bytes_in_this_process_and_in_others_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let here = trained(folder.path());
    assert_eq!(here, trained(tempfile::tempdir().unwrap().path()));
    for (threads, parallel) in [("1", "true"), ("4", "true"), ("3", "false")] {
        let other = tempfile::tempdir().unwrap();
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_process_of_its_own", "--ignored"])
            .env("LONGQA_TEST_FOLDER", other.path())
            .env("RAYON_NUM_THREADS", threads)
            .env("TOKENIZERS_PARALLELISM", parallel)
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(fs::read(other.path().join("tokenizer.json")).unwrap(), here, "{threads} threads");
    }
}

#[test]
#[ignore = "run by the test above, which names a folder"]
fn a_process_of_its_own() {
    trained(Path::new(
        &env::var("LONGQA_TEST_FOLDER").expect("LONGQA_TEST_FOLDER names the folder to write to"),
    ));
}

#[test]
fn the_file_has_robertas_form() {
    let folder = tempfile::tempdir().unwrap();
    let file: Value = serde_json::from_slice(&trained(folder.path())).unwrap();
    let level = |prefix: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true});
    assert_eq!(file["pre_tokenizer"], level(false));
    assert_eq!(file["decoder"], level(true));
    let processor = json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
        "trim_offsets": true, "add_prefix_space": false});
    assert_eq!(file["post_processor"], processor);
    let special: Vec<_> = file["added_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["id"].as_u64().unwrap(), token["content"].as_str().unwrap()))
        .collect();
    let tokenizer = Tokenizer::from_file(folder.path().join("tokenizer.json")).unwrap();
    let size = tokenizer.get_vocab_size(true);
    assert!(size <= SIZE);
    assert_eq!(special, [(0, "<s>"), (1, "<pad>"), (2, "</s>"), (3, "<unk>"), (size as u64 - 1, "<mask>")]);
    let encoding = tokenizer.encode("Mira in <mask>. 東京\u{3099}", true).unwrap();
    assert_eq!(encoding.get_ids().first(), Some(&0));
    assert_eq!(encoding.get_ids().last(), Some(&2));
    assert!(encoding.get_ids().contains(&(size as u32 - 1)));
    assert_eq!(tokenizer.decode(encoding.get_ids(), true).unwrap(), "Mira in. 東京\u{3099}");
}

#[test]
fn our_own_reader_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let size = train_tokenizer::train(&[text(folder.path())], SIZE, folder.path()).unwrap();
    let tokenizer = longqa::text::Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(tokenizer.vocabulary_size(), size);
    let special = tokenizer.special();
    assert_eq!(
        (special.bos, special.pad, special.eos, special.unk),
        (TokenId(0), TokenId(1), TokenId(2), TokenId(3))
    );
    assert_eq!(special.mask, TokenId(size as u32 - 1));
}

#[test]
fn documents_are_longer_than_a_short_model_sees_and_fit_a_long_one_in_every_language() {
    let folder = tempfile::tempdir().unwrap();
    let settings = MiniatureSettings { train_documents: 30, ..MiniatureSettings::default() };
    let files = miniature::write(Seed(42), &settings, folder.path()).unwrap();
    let size = train_tokenizer::train(&[files.wiki_train], SIZE, folder.path()).unwrap();
    println!("vocabulary: {size}");
    let tokenizer = Tokenizer::from_file(folder.path().join("tokenizer.json")).unwrap();
    let length = |text: &str| tokenizer.encode(text, false).unwrap().len();
    for language in Language::ALL {
        let dataset = squad::read(&files.parallel[&language]).unwrap();
        let lengths: Vec<_> = dataset.contexts.iter().map(|context| length(context)).collect();
        let questions: Vec<_> = dataset.questions.iter().map(|question| length(&question.text)).collect();
        let (shortest, longest) = (*lengths.iter().min().unwrap(), *lengths.iter().max().unwrap());
        let question = *questions.iter().max().unwrap();
        println!("{language}: {shortest} to {longest} tokens, questions up to {question}");
        assert!(shortest > 170, "{language}: {shortest}");
        // <s> question </s> </s> document </s>
        assert!(longest + question + 4 <= 512, "{language}: {longest} + {question}");
    }
}

#[test]
fn what_cannot_be_trained_on_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.raw");
    let train = |size| train_tokenizer::train(std::slice::from_ref(&path), size, folder.path()).unwrap_err();
    assert!(matches!(train(300), TextError::Corpus(_)));
    fs::write(&path, b"one\ntwo\xff\n").unwrap();
    assert!(train(300).to_string().contains("line 2"));
    assert!(matches!(train(260), TextError::Setting { key: "vocabulary_size", .. }));
    assert!(!folder.path().join("tokenizer.json").exists());
}
