//! One process at a time: an advisory lock on a file, which the system releases when its holder
//! ends, however it ends.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use fs4::fs_std::FileExt;

use super::cache;
use super::error::FetchError;
use super::retry;
use crate::interrupt::Interrupt;

const POLL: Duration = Duration::from_millis(100);

/// A held lock; dropped, it is free.
pub(super) struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock at `path`, waiting for another holder. `purpose` is what this process wants
    /// it for; `waiting` is told once, in words, whom we wait for.
    pub(super) fn acquire(
        path: &Path,
        purpose: &str,
        waiting: impl Fn(&str),
        interrupt: &Interrupt,
    ) -> Result<Self, FetchError> {
        let failed = |source| FetchError::io(path, source);
        let folder = cache::parent(path);
        fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source))?;
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(failed)?;
        let mut told = false;
        while !file.try_lock_exclusive().map_err(failed)? {
            if !told {
                waiting(&format!(
                    "waiting for {}, which is fetching {purpose}; stop it to take over (lock: {})",
                    holder(&mut file),
                    path.display()
                ));
                told = true;
            }
            retry::wait(POLL, interrupt)?;
        }
        // Who holds it is told to others that wait; that it cannot be written is no reason to stop.
        let _only_for_messages = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "process {}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(64).read_to_string(&mut text));
    match read {
        Ok(length) if length > 0 => format!("another longqa ({})", text.trim()),
        _ => "another longqa".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_second_holder_waits_and_says_for_whom() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/a.lock");
        let interrupt = Interrupt::default();
        let first = ProcessLock::acquire(&path, "a", |_| panic!("nobody to wait for"), &interrupt).unwrap();
        let first = Mutex::new(Some(first));
        let told = Mutex::new(Vec::new());
        let release = |message: &str| {
            told.lock().unwrap().push(message.to_owned());
            first.lock().unwrap().take();
        };
        ProcessLock::acquire(&path, "squad", release, &interrupt).unwrap();
        let told = told.into_inner().unwrap();
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains(&format!("(process {}), which is fetching squad", std::process::id())),
            "{told:?}"
        );
    }

    #[test]
    fn waiting_ends_when_the_user_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let interrupt = Interrupt::default();
        let _held = ProcessLock::acquire(&path, "a", |_| (), &interrupt).unwrap();
        let asked = ProcessLock::acquire(&path, "a", |_| interrupt.request(), &interrupt);
        assert!(matches!(asked, Err(FetchError::Interrupted(_))));
    }
}
