//! `longqa man` as a user runs it: held against what `--help` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

fn longqa(arguments: &[&str]) -> String {
    printed(Command::new(env!("CARGO_BIN_EXE_longqa")).args(arguments))
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The pages in `folder`, by file name.
fn pages(folder: &Path) -> BTreeMap<String, String> {
    let page = |path: &Path| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    fs::read_dir(folder).unwrap().map(|entry| page(&entry.unwrap().path())).collect()
}

fn written() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("share/man1");
    assert_eq!(longqa(&["man", "--to", to.to_str().unwrap()]), format!("{}\n", to.display()));
    pages(&to)
}

/// The help of `command` and of all commands below it, by the words that name them.
fn helps(command: &[&str], into: &mut BTreeMap<String, String>) {
    let help = longqa(&[command, &["--help"]].concat());
    let below =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let below = below.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for name in below.filter(|name| !name.is_empty() && *name != "help") {
        helps(&[command, &[name]].concat(), into);
    }
    into.insert(command.join(" "), help);
}

#[test]
fn every_subcommand_has_its_page_with_all_its_options() {
    let pages = written();
    let mut all = BTreeMap::new();
    helps(&[], &mut all);
    assert!(all.contains_key("bench batches finetune"));
    let file = |command: &str| format!("longqa {command}").trim_end().replace(' ', "-") + ".1";
    let expected: BTreeSet<String> = all.keys().map(|command| file(command)).collect();
    assert_eq!(pages.keys().cloned().collect::<BTreeSet<_>>(), expected);

    for (command, help) in &all {
        let page = &pages[&file(command)];
        let title = file(command).trim_end_matches(".1").to_uppercase();
        let heading =
            format!(".TH {title} 1 \"\" \"longqa {}\" \"longqa manual\"\n", env!("CARGO_PKG_VERSION"));
        assert!(page.contains(&heading), "{page}");
        let options = help
            .lines()
            .filter_map(|line| line.trim_start().split_once("--").filter(|(short, _)| short.len() < 5));
        let options: Vec<&str> = options.map(|(_, long)| long.split([' ', '.']).next().unwrap()).collect();
        assert!(options.contains(&"device"), "{help}");
        for option in options {
            assert!(
                page.contains(&format!("\\fB\\-\\-{}\\fR", option.replace('-', "\\-"))),
                "{command}: {option}"
            );
        }
    }
    assert!(pages["longqa-env.1"].contains("\\fBLONGQA_CACHE\\fR environment variable"));
}

#[test]
fn examples_keep_their_lines_and_notes_do_not_run_into_them() {
    let pages = written();
    let examples = pages["longqa-lock-add.1"].split_once(".SH EXAMPLES\n").unwrap().1;
    let first = ".nf\nlongqa lock add \\-\\-name squad\\-1.1/dev \\-\\-version 1.1 \
        \\-\\-licence \\*(AqCC BY\\-SA 4.0\\*(Aq \\\\\n  https://";
    assert!(examples.starts_with(first), "{examples}");
    let (examples, notes) =
        pages["longqa-convert.1"].split_once(".SH EXAMPLES\n").unwrap().1.split_once(".SH NOTES\n").unwrap();
    assert!(examples.ends_with("models/small\\-long\n.fi\n"), "{examples}");
    assert!(notes.starts_with("The result opens in transformers"), "{notes}");
    for (name, page) in pages {
        assert!(!page.contains("Examples:"), "{name}: {page}");
    }
}

#[test]
fn pages_are_the_same_in_every_run_whatever_the_environment() {
    let first = written();
    let folder = tempfile::tempdir().unwrap();
    let mut again = Command::new(env!("CARGO_BIN_EXE_longqa"));
    again.args(["man", "--to", "."]).current_dir(folder.path());
    again.env("LONGQA_CACHE", "/elsewhere").env("LONGQA_DEVICE", "cpu").env("COLUMNS", "40");
    assert_eq!(printed(&mut again), ".\n");
    assert_eq!(pages(folder.path()), first);
    assert_eq!(longqa(&["man"]), first["longqa.1"]);
}
