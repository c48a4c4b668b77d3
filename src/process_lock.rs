//! One process at a time: an advisory lock on a file, which the system releases when its holder
//! ends, however it ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use fs4::fs_std::FileExt;

use crate::durable;
use crate::interrupt::{Interrupt, Interrupted};

const POLL: Duration = Duration::from_millis(100);

/// A held lock; dropped, it is free.
pub struct ProcessLock {
    _file: File,
}

/// A lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The system refused.
    #[error("{}: cannot lock: {source}", path.display())]
    Io {
        /// The lock's file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user asked to stop while another process held it.
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
}

impl ProcessLock {
    /// Takes the lock at `path`, waiting for another holder. `work` is what this process wants it for,
    /// and so what another holder does; `waiting` is told once, in words, whom we wait for.
    pub fn acquire(
        path: &Path,
        work: &str,
        waiting: impl Fn(&str),
        interrupt: &Interrupt,
    ) -> Result<Self, LockError> {
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |source| LockError::Io { path, source }
        };
        let folder = durable::parent(path);
        fs::create_dir_all(folder).map_err(refused(folder))?;
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(refused(path))?;
        let mut told = false;
        while !file.try_lock_exclusive().map_err(refused(path))? {
            if !told {
                waiting(&format!(
                    "waiting for {}, which is {work}; stop it to take over (lock: {})",
                    holder(&mut file),
                    path.display()
                ));
                told = true;
            }
            interrupt.check()?;
            thread::sleep(POLL);
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
        ProcessLock::acquire(&path, "fetching squad", release, &interrupt).unwrap();
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
        assert!(matches!(asked, Err(LockError::Interrupted(_))));
    }
}
