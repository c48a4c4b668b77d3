//! Data made of other data: which stages it has, what it refuses.

use super::*;
use crate::experiment::stage::Role;

const DATA: &str = r#"
[data.fewer]
questions = "squad/dev"
without = ["xquad/de", "squad/train"]
expected_questions = 7

[data.text]
text = ["wikitext/train", "wikitext/valid"]
held_out = 0.2
"#;

/// [`FILE`] with the model pretrained on parts of `text` and the tasks trained on `fewer`.
fn file() -> String {
    let file =
        FILE.replace("wikitext/train", "text/train.raw").replace("wikitext/valid", "text/held-out.raw");
    file.replace("train = \"squad/train\"", "train = \"fewer/questions.json\"") + DATA
}

fn made_of(plan: &Plan, stage: &Stage) -> Vec<(Role, String)> {
    stage.inputs.iter().map(|input| (input.role, plan.stages[input.stage].title.clone())).collect()
}

#[test]
fn each_section_is_one_stage_that_reads_its_files_in_order() {
    let bench = Bench::new();
    let plan = bench.plan(&file());
    let of_kind = |kind: &str| -> Vec<&Stage> {
        plan.stages.iter().filter(|stage| stage.work.kind() == kind).collect()
    };
    let [text] = of_kind("held-out")[..] else { panic!("not one") };
    let texts = [(Role::Text, "wikitext/train".to_owned()), (Role::Text, "wikitext/valid".to_owned())];
    assert_eq!((text.title.as_str(), made_of(&plan, text)), ("text", texts.into()));
    let [questions] = of_kind("without")[..] else { panic!("not one") };
    let read = [(Role::Questions, "squad/dev"), (Role::Without, "xquad/de"), (Role::Without, "squad/train")];
    assert_eq!(made_of(&plan, questions), read.map(|(role, name)| (role, name.to_owned())));
    let training = &plan.stages[plan.cells[0].finetune];
    let train = training.inputs.iter().find(|input| input.role == Role::Train).unwrap();
    assert_eq!((train.key, train.file.as_deref()), (questions.key, Some("questions.json")));
    assert_eq!(bench.made(&file()), names(&plan));
}

#[test]
fn what_is_left_out_and_held_out_is_part_of_the_key() {
    let bench = Bench::new();
    bench.made(&file());
    let made = |from: &str, to: &str| bench.made(&file().replacen(from, to, 1));
    assert_eq!(made("held_out = 0.2", "held_out = 0.20"), Vec::<String>::new());
    assert_eq!(made("held_out = 0.2", "held_out = 0.3")[0], "held-out text");
    assert_eq!(made("expected_questions = 7", "expected_questions = 8")[0], "without fewer");
    assert_eq!(made("without = [\"xquad/de\", ", "without = [")[0], "without fewer");
    assert_eq!(made("questions = \"squad/dev\"", "questions = \"squad/train\"")[0], "without fewer");
}

#[test]
fn sections_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    for (from, to, parts) in [
        ("questions = \"squad/dev\"\nwithout", "without", &["`data.fewer`", "`questions`", "found none"][..]),
        (
            "held_out = 0.2",
            "generate = \"miniature\"",
            &["`data.text`", "one of `generate`", "found several"],
        ),
        ("held_out = 0.2", "held_out = 1.0", &["data.text.held_out", "below 1", "found 1"]),
        ("held_out = 0.2", "held_out = \"a\"", &["data.text.held_out", "\"a\""]),
        ("held_out = 0.2", "held_ot = 0.2", &["data.text.held_ot", "`data.text.held_out`"]),
        ("held_out = 0.2", "seed = 1", &["unknown key `data.text.seed`"]),
        ("[\"xquad/de\", \"squad/train\"]", "[]", &["data.fewer.without", "at least one file"]),
        ("[\"wikitext/train\", \"wikitext/valid\"]", "[]", &["data.text.text", "at least one file"]),
        ("\"xquad/de\", ", "\"xquad/dd\", ", &["data.fewer.without", "xquad/de", "`xquad/dd`"]),
        ("expected_questions = 7", "expected_questions = -7", &["expected_questions", "-7"]),
        ("fewer/questions.json", "fewer/train.json", &["tasks.near.train", "questions.json", "`train.json`"]),
        ("text/held-out.raw", "text/heldout.raw", &["train.raw, held-out.raw", "`heldout.raw`"]),
        ("\"wikitext/train\"", "\"text/train.raw\"", &["data.text.text", "data.text → data.text"]),
    ] {
        assert!(file().contains(from), "{from}");
        let message = bench.refusal(&file().replacen(from, to, 1));
        for part in parts {
            assert!(message.contains(part), "{to}: {message:?} lacks {part:?}");
        }
    }
}

#[test]
fn sections_can_be_made_of_each_other_but_not_in_a_circle() {
    let bench = Bench::new();
    let more = "[data.more]\ntext = [\"text/train.raw\"]\n";
    let text = file().replace("\"text/held-out.raw\"", "\"more/held-out.raw\"") + more;
    let plan = bench.plan(&text);
    let last = plan.stages.iter().find(|stage| stage.title == "more").unwrap();
    assert_eq!(made_of(&plan, last), [(Role::Text, "text".to_owned())]);
    let circle = text.replace("\"wikitext/train\"", "\"more/train.raw\"");
    let message = bench.refusal(&circle);
    assert!(message.contains("data.text → data.more → data.text"), "{message}");
}
