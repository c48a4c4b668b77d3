//! `longqa completions` as a shell uses it.

use std::fs;
use std::process::{Command, Output, Stdio};

fn completions(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longqa")).arg("completions").args(arguments).output().unwrap()
}

fn script(shell: &str) -> String {
    let output = completions(&[shell]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_takes_the_script_and_completes_subcommands_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("longqa");
    fs::write(&path, script("bash")).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&path).status().unwrap().success());

    // As bash does at the tab key: $1 the command, $2 the last word, $3 the one before.
    const TAB: &str = r#"source "$0"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_longqa longqa "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
echo "${COMPREPLY[*]}""#;
    for (words, expected) in [
        (&["fin"][..], "finetune"),
        (&["re"], "report reproduce"),
        (&["lock", "v"], "verify"),
        (&["bench", "batches", "f"], "finetune"),
        (&["finetune", "--max_len"], "--max_length"),
        (&["score", "--task", "tri"], "triviaqa"),
        (&["completions", "po"], "powershell"),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", TAB]).arg(&path).arg("longqa").args(words);
        let output = bash.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((String::from_utf8(output.stdout).unwrap().trim(), &*said), (expected, ""), "{words:?}");
    }
}

#[test]
fn each_shell_is_told_every_subcommand() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell);
        for word in ["completions", "finetune", "gradient_accumulation_steps", "verify"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn another_shell_is_wrong_usage_and_a_reader_that_has_seen_enough_is_no_failure() {
    let output = completions(&["tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("[possible values: bash, elvish, fish, powershell, zsh]"), "{said}");

    let mut program = Command::new(env!("CARGO_BIN_EXE_longqa"));
    let mut running = program.args(["completions", "bash"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(running.stdout.take());
    assert!(running.wait().unwrap().success());
}
