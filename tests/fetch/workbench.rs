//! A cache in a fresh folder, locks written as text, and a fetcher that does not wait long.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longqa::digest::Digest;
use longqa::fetch::{Backoff, Cache, Entry, FetchError, Fetched, Fetcher, Lock, Settings, Tried};
use longqa::interrupt::Interrupt;
use tempfile::TempDir;
use url::Url;

use crate::server::Server;

pub struct Workbench {
    pub folder: TempDir,
    pub settings: Settings,
    pub interrupt: Interrupt,
}

impl Workbench {
    pub fn new() -> Self {
        let backoff = Backoff {
            attempts: 3,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(2),
            patience: Duration::from_secs(5),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings: Settings { backoff, ..Settings::default() },
            interrupt: Interrupt::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn cache(&self) -> Cache {
        Cache::at(self.path("cache"))
    }

    /// Fetches everything in `lock`.
    pub fn fetch(&self, lock: &Lock) -> Result<Vec<Fetched>, FetchError> {
        self.fetch_entries(&lock.entries().iter().collect::<Vec<_>>())
    }

    pub fn fetch_entries(&self, entries: &[&Entry]) -> Result<Vec<Fetched>, FetchError> {
        Fetcher::new(self.cache(), self.settings.clone()).fetch(entries, &self.interrupt)
    }

    /// Every file of a bucket of the cache, by name, without the notes beside partial files.
    pub fn files_in(&self, bucket: &str) -> Vec<PathBuf> {
        let mut files = files_under(&self.path("cache").join(bucket));
        files.retain(|path| path.extension().is_none());
        files
    }
}

pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_under(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Bytes that do not repeat, so that a misplaced piece is noticed.
pub fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32)
        .flat_map(|i| Digest::of_bytes(&i.to_le_bytes()).bytes()[..4].to_vec())
        .take(count)
        .collect()
}

/// The text of a lock entry for `body` under `urls`.
pub fn entry(name: &str, body: &[u8], urls: &[Url]) -> String {
    pinned(name, body.len() as u64, &Digest::of_bytes(body).to_string(), urls)
}

pub fn pinned(name: &str, bytes: u64, sha256: &str, urls: &[Url]) -> String {
    let urls: Vec<&str> = urls.iter().map(Url::as_str).collect();
    format!(
        "[[file]]\nname = \"{name}\"\nversion = \"1\"\nlicence = \"MIT\"\npath = \"data/{name}.json\"\n\
         bytes = {bytes}\nsha256 = \"{sha256}\"\nurls = {urls:?}\n"
    )
}

pub fn lock(entries: &[String]) -> Lock {
    Lock::parse(&lock_text(entries), Path::new("test.lock")).unwrap()
}

pub fn lock_text(entries: &[String]) -> String {
    format!("version = 1\n{}", entries.concat())
}

/// Fetches `body` from `servers`, in their order; it must come out whole, whatever they do.
pub fn comes_out_whole(bench: &Workbench, body: &[u8], servers: &[&Server]) {
    let urls: Vec<_> = servers.iter().map(|server| server.url("a")).collect();
    let fetched = bench.fetch(&lock(&[entry("a", body, &urls)])).unwrap();
    assert_eq!(fetched[0].path.file_name().unwrap(), "a.json");
    assert_eq!(fetched[0].digest, Digest::of_bytes(body));
    assert_eq!(std::fs::read(&fetched[0].path).unwrap(), body);
    assert!(bench.files_in("partials-v1").is_empty());
}

/// Fetches `body` from `servers`, none of which gives it; what each said.
pub fn refusal(bench: &Workbench, body: &[u8], servers: &[&Server]) -> Vec<Tried> {
    let urls: Vec<_> = servers.iter().map(|server| server.url("a")).collect();
    match bench.fetch(&lock(&[entry("a", body, &urls)])) {
        Err(FetchError::NoSource { name, tried }) => {
            assert_eq!(name, "a");
            assert!(bench.files_in("blobs-v1").is_empty());
            tried
        }
        other => panic!("{other:?}"),
    }
}
