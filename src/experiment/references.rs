//! What the names of files in an experiment file refer to, as the stages that bring them.

use std::path::Path;

use super::ExperimentError;
use super::expand::Builder;
use super::keys::nearest;
use super::source::{as_path, files_below, holds, known_file, local_files, only_file};
use super::stage::{Copied, Fetched, Work};
use crate::fetch::{Entry, FetchError};

impl<'a> Builder<'a> {
    /// The stage that brings the file that `text` refers to, and the file's path in its output.
    pub(super) fn file(&mut self, key: &str, text: &str) -> Result<(usize, Option<String>), ExperimentError> {
        let experiment = self.experiment;
        if let Some(path) = as_path(text, self.folder()) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            return Ok((self.copy(text, &path)?, name));
        }
        if let Some((name, file)) = text.split_once('/')
            && experiment.data.contains_key(name)
        {
            return Ok((self.data(key, name, file)?, Some(file.to_owned())));
        }
        if let Some((entry, file)) = self.file_within(text) {
            if !holds(entry, file) {
                let expected = format!("a file that datasets.lock lists under `{}`", entry.name);
                return Err(experiment.wrong(key, &expected, format!("`{file}`")));
            }
            return Ok((self.fetch(entry, None), Some(file.to_owned())));
        }
        let entry = self.entry(key, text)?;
        match only_file(entry) {
            Some(file) => Ok((self.fetch(entry, Some(file.clone())), Some(file))),
            None => Err(experiment.wrong(key, "one file", format!("the folder or archive `{text}`"))),
        }
    }

    /// The folder or archive of the lock that `text` begins with, and what follows its name.
    fn file_within<'t>(&self, text: &'t str) -> Option<(&'a Entry, &'t str)> {
        if self.lock.select(&[text]).is_ok() {
            return None;
        }
        text.match_indices('/').rev().find_map(|(at, _)| {
            let found = self.lock.select(&[&text[..at]]).ok()?;
            let [entry] = found[..] else { return None };
            (entry.name == text[..at] && only_file(entry).is_none()).then(|| (entry, &text[at + 1..]))
        })
    }

    /// As [`Self::file`] for TriviaQA's questions, which come with the folder of their documents: of a
    /// file of this machine, `ROOT/qa/x.json`, that is all of `ROOT/evidence`.
    pub(super) fn file_with_evidence(
        &mut self,
        key: &str,
        text: &str,
    ) -> Result<(usize, Option<String>), ExperimentError> {
        let Some(path) = as_path(text, self.folder()) else { return self.file(key, text) };
        let root = path.parent().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned();
        let file = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        let unreadable = |path: &Path, source| ExperimentError::Read { path: path.to_owned(), source };
        let mut files = vec![known_file(&root, &path).map_err(|source| unreadable(&path, source))?];
        let evidence = root.join("evidence");
        files.extend(files_below(&root, &evidence).map_err(|source| unreadable(&evidence, source))?);
        let stage = self.stage(text.to_owned(), Work::Copy(Copied { from: root, files }), Vec::new());
        Ok((stage, Some(file)))
    }

    pub(super) fn checkpoint(&mut self, table: &str, text: &str) -> Result<usize, ExperimentError> {
        if let Some(path) = as_path(text, self.folder()) {
            return self.copy(text, &path);
        }
        let key = format!("{table}.checkpoint");
        let entry = self.entry(&key, text)?;
        match only_file(entry) {
            None => Ok(self.fetch(entry, None)),
            Some(file) => Err(self.experiment.wrong(&key, "a folder", format!("the file {file}"))),
        }
    }

    fn fetch(&mut self, entry: &Entry, file: Option<String>) -> usize {
        let work = Fetched { name: entry.name.clone(), entry: entry.key(), file };
        self.stage(entry.name.clone(), Work::Fetch(work), Vec::new())
    }

    fn copy(&mut self, title: &str, path: &Path) -> Result<usize, ExperimentError> {
        let files =
            local_files(path).map_err(|source| ExperimentError::Read { path: path.to_owned(), source })?;
        Ok(self.stage(title.to_owned(), Work::Copy(Copied { from: path.to_owned(), files }), Vec::new()))
    }

    /// The one entry of the lock that `name` stands for.
    fn entry(&self, key: &str, name: &str) -> Result<&'a Entry, ExperimentError> {
        const EXPECTED: &str = "a name in datasets.lock, a file of a [data.NAME] of this file, \
                                or a path that starts with `./`, `../` or `/`";
        match self.lock.select(&[name]) {
            Ok(found) if found.len() == 1 => Ok(found[0]),
            Ok(found) => {
                let names: Vec<_> = found.iter().map(|entry| entry.name.as_str()).collect();
                Err(self.experiment.wrong(key, "one file", format!("several: {}", names.join(", "))))
            }
            Err(FetchError::UnknownName { nearest, .. }) if !nearest.is_empty() => {
                let expected = format!("{EXPECTED} (the nearest in the lock: {})", nearest.join(", "));
                Err(self.experiment.wrong(key, &expected, format!("`{name}`")))
            }
            Err(_) => Err(self.experiment.wrong(key, EXPECTED, format!("`{name}`"))),
        }
    }

    pub(super) fn no_such(&self, key: &str, what: &str, found: &str, known: &[String]) -> ExperimentError {
        let known = match nearest(found, known) {
            Some(near) => format!("the nearest is `{near}`"),
            None => format!("there is {}", known.join(", ")),
        };
        self.experiment.wrong(key, &format!("the name of a {what} ({known})"), format!("`{found}`"))
    }

    fn folder(&self) -> &Path {
        self.experiment.path.parent().unwrap_or(Path::new("."))
    }
}
