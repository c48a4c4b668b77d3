//! Runs as files beside their tables, so that the tables can be made again without the stage store
//! and merged with those of other machines.
//!
//! | file | holds |
//! |---|---|
//! | `runs.json` | cells, scores, stage keys, families with their settings, costs, curves |
//! | `questions/DIGEST.csv` | questions: id, where the answer stands, how long the document is |
//! | `outcomes/SCORE.csv` | each question's score in one run, in the order of its questions |
//! | `predictions/PREDICT.json.gz` | the answers, as the predict stage left them |

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::record::{Outcomes, Question, QuestionSet, Record, Run, shared};
use crate::durable::{PendingFolder, WriteError};
use crate::experiment::stage::StageKey;
use crate::report::ReportError;

/// The folder's name among an experiment's results.
pub const FOLDER: &str = "runs";

const RUNS: &str = "runs.json";

/// Raised when the files' layout changes.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept<R> {
    format: u32,
    #[serde(flatten)]
    record: R,
}

/// One line of `outcomes/SCORE.csv`.
#[derive(Serialize, Deserialize)]
struct Outcome {
    exact_match: u8,
    f1: f64,
}

/// The runs in a results folder.
#[derive(Debug)]
pub struct KeptRuns {
    folder: PathBuf,
}

impl KeptRuns {
    /// Those of the results in `results`.
    pub fn of(results: &Path) -> Self {
        Self { folder: results.join(FOLDER) }
    }

    /// Writes `record` and copies `predictions`, each by the stage that made it, in place of what was
    /// kept.
    pub fn write(&self, record: &Record, predictions: &[(StageKey, PathBuf)]) -> Result<(), ReportError> {
        let pending = PendingFolder::beside(&self.folder)?;
        let write = || -> io::Result<()> {
            write_record(pending.path(), record)?;
            write_predictions(&pending.path().join("predictions"), predictions)
        };
        write().map_err(|source| WriteError { path: self.folder.clone(), source })?;
        pending.commit()?;
        Ok(())
    }

    /// Reads them.
    pub fn read(&self) -> Result<Record, ReportError> {
        let path = self.folder.join(RUNS);
        let unreadable = |path: &Path, source: io::Error| ReportError::Kept { path: path.to_owned(), source };
        let bytes = fs::read(&path).map_err(|error| unreadable(&path, error))?;
        let kept: Kept<Record> =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(&path, error.into()))?;
        if kept.format != FORMAT {
            return Err(ReportError::Format { path, expected: FORMAT, found: kept.format });
        }
        let mut record = kept.record;
        let mut known = Vec::new();
        for run in &mut record.runs {
            run.outcomes = self.outcomes(run, &mut known)?;
        }
        Ok(record)
    }

    fn outcomes(
        &self,
        run: &Run,
        known: &mut Vec<Arc<QuestionSet>>,
    ) -> Result<Option<Outcomes>, ReportError> {
        let Some(digest) = run.questions else { return Ok(None) };
        let same = known.iter().find(|set| set.digest == digest).map(Arc::clone);
        let questions = match same {
            Some(same) => same,
            None => {
                let path = questions_file(&self.folder, &digest.short());
                let set = QuestionSet::new(rows::<Question>(&path)?);
                if set.digest != digest {
                    let (expected, found) = (digest.to_string(), set.digest.to_string());
                    return Err(ReportError::Questions { path, expected, found });
                }
                shared(set, known)
            }
        };
        let path = outcomes_file(&self.folder, run);
        let outcomes = rows::<Outcome>(&path)?;
        if outcomes.len() != questions.questions.len() {
            let counts = [questions.questions.len(), outcomes.len()];
            let [expected, found] = counts.map(|count| format!("{count} questions"));
            return Err(ReportError::Questions { path, expected, found });
        }
        Ok(Some(Outcomes {
            questions,
            exact_match: outcomes.iter().map(|outcome| f64::from(outcome.exact_match)).collect(),
            f1: outcomes.iter().map(|outcome| outcome.f1).collect(),
        }))
    }
}

fn questions_file(folder: &Path, digest: &str) -> PathBuf {
    folder.join("questions").join(format!("{digest}.csv"))
}

fn outcomes_file(folder: &Path, run: &Run) -> PathBuf {
    folder.join("outcomes").join(format!("{}.csv", run.keys.score))
}

fn rows<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>, ReportError> {
    let read = || -> io::Result<Vec<T>> {
        Ok(csv::Reader::from_path(path)?.deserialize().collect::<Result<_, _>>()?)
    };
    read().map_err(|source| ReportError::Kept { path: path.to_owned(), source })
}

fn write_record(folder: &Path, record: &Record) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(folder.join(RUNS))?);
    serde_json::to_writer_pretty(&mut file, &Kept { format: FORMAT, record })?;
    file.flush()?;
    fs::create_dir(folder.join("questions"))?;
    fs::create_dir(folder.join("outcomes"))?;
    let mut sets = BTreeMap::new();
    for run in &record.runs {
        let Some(outcomes) = &run.outcomes else { continue };
        sets.insert(outcomes.questions.digest, &outcomes.questions);
        let lines = outcomes.exact_match.iter().zip(&outcomes.f1);
        // Zero or one, by definition.
        let lines = lines.map(|(&exact_match, &f1)| Outcome { exact_match: exact_match as u8, f1 });
        write_rows(&outcomes_file(folder, run), lines)?;
    }
    for (digest, set) in sets {
        write_rows(&questions_file(folder, &digest.short()), &set.questions)?;
    }
    Ok(())
}

fn write_rows(path: &Path, rows: impl IntoIterator<Item = impl Serialize>) -> io::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    rows.into_iter().try_for_each(|row| writer.serialize(row))?;
    writer.flush()
}

fn write_predictions(folder: &Path, predictions: &[(StageKey, PathBuf)]) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (key, path) in predictions {
        let target = File::create(folder.join(format!("{key}.json.gz")))?;
        let mut packed = GzEncoder::new(BufWriter::new(target), Compression::default());
        io::copy(&mut BufReader::new(File::open(path)?), &mut packed)?;
        packed.finish()?.flush()?;
    }
    Ok(())
}
