//! Runs of one experiment from several machines as one.
//!
//! Runs may differ in the seed and in nothing else: the same cell with other settings or other data is
//! refused. A run that is there twice is taken once, and refused if it did not come out the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::record::{Header, PretrainingRun, Record, Run};
use crate::experiment::family::{Difference, Families, FamilyKey};
use crate::report::ReportError;

/// The runs of all folders, in the order of the folders. Experiments of different names are merged
/// too, as long as cells of the same name are the same.
pub fn merge(records: Vec<(PathBuf, Record)>) -> Result<Record, ReportError> {
    let mut merged = Merged::default();
    let mut header: Option<Header> = None;
    let mut families = Families::default();
    let mut stages = Vec::new();
    for (folder, record) in records {
        families.extend(record.families);
        header = Some(match header {
            Some(header) => both(header, record.experiment),
            None => record.experiment,
        });
        for pretraining in record.pretrainings {
            merged.pretraining(pretraining, &folder, &families)?;
        }
        for run in record.runs {
            merged.run(run, &folder, &families)?;
        }
        for stage in record.stages {
            if !stages.contains(&stage) {
                stages.push(stage);
            }
        }
    }
    let experiment = header.ok_or(ReportError::NothingToMerge)?;
    let Merged { runs, pretrainings, .. } = merged;
    Ok(Record { experiment, runs, pretrainings, stages, families })
}

fn both(first: Header, second: Header) -> Header {
    let name = if first.name.split(" + ").any(|name| name == second.name) {
        first.name
    } else {
        format!("{} + {}", first.name, second.name)
    };
    let description = if first.description.contains(&second.description) {
        first.description
    } else {
        format!("{} {}", first.description, second.description)
    };
    let published = match (first.published.is_empty(), second.published.is_empty()) {
        // None means all.
        (true, _) | (_, true) => Vec::new(),
        _ => {
            let new: Vec<_> =
                second.published.into_iter().filter(|source| !first.published.contains(source)).collect();
            [first.published, new].concat()
        }
    };
    Header { name, description, published, written: first.written.max(second.written) }
}

/// Task, model and languages: what a table has a row for.
type CellName = (String, String, String, Option<String>);

fn name(run: &Run) -> CellName {
    let cell = &run.cell;
    (cell.task.clone(), cell.model.clone(), cell.language.clone(), cell.context_language.clone())
}

#[derive(Default)]
struct Merged {
    runs: Vec<Run>,
    pretrainings: Vec<PretrainingRun>,
    /// Of each run, where it came from.
    folders: Vec<PathBuf>,
    pretraining_folders: Vec<PathBuf>,
    places: HashMap<CellName, Vec<usize>>,
}

impl Merged {
    fn run(&mut self, run: Run, folder: &Path, families: &Families) -> Result<(), ReportError> {
        let same = self.places.entry(name(&run)).or_default();
        if let Some(&first) = same.first() {
            let (family, cell) = (self.runs[first].family, described(&run));
            agree(families, (&self.folders[first], family), (folder, run.family), cell)?;
            same_questions((&self.runs[first], &self.folders[first]), (&run, folder))?;
        }
        let twin = same.iter().copied().find(|&at| self.runs[at].cell.seed == run.cell.seed);
        let Some(at) = twin else {
            same.push(self.runs.len());
            self.runs.push(run);
            self.folders.push(folder.to_owned());
            return Ok(());
        };
        let kept = &mut self.runs[at];
        if kept.scores.is_none() {
            *kept = run;
            self.folders[at] = folder.to_owned();
        } else if run.scores.is_some() && (kept.scores != run.scores || kept.outcomes != run.outcomes) {
            let score = |run: &Run| run.scores.as_ref().map(|scores| scores.f1).unwrap_or_default();
            return Err(ReportError::Contradiction {
                first: self.folders[at].clone(),
                second: folder.to_owned(),
                cell: described(&run),
                seed: run.cell.seed.0,
                first_f1: score(kept),
                second_f1: score(&run),
            });
        }
        Ok(())
    }

    /// Two machines may each have pretrained the same model; on some devices the numbers differ a
    /// little then, and both stand in the table.
    fn pretraining(
        &mut self,
        run: PretrainingRun,
        folder: &Path,
        families: &Families,
    ) -> Result<(), ReportError> {
        let same: Vec<usize> =
            (0..self.pretrainings.len()).filter(|&at| self.pretrainings[at].model == run.model).collect();
        if let Some(&first) = same.first() {
            let theirs = (self.pretraining_folders[first].as_path(), self.pretrainings[first].family);
            agree(families, theirs, (folder, run.family), format!("pretraining of {}", run.model))?;
        }
        let known = |at: &&usize| {
            let kept = &self.pretrainings[**at];
            kept.evaluations == run.evaluations || kept.evaluations.is_empty() || run.evaluations.is_empty()
        };
        match same.iter().find(known) {
            Some(&at) if self.pretrainings[at].evaluations.is_empty() => self.pretrainings[at] = run,
            Some(_) => {}
            None => {
                self.pretrainings.push(run);
                self.pretraining_folders.push(folder.to_owned());
            }
        }
        Ok(())
    }
}

fn described(run: &Run) -> String {
    let cell = &run.cell;
    let languages = match &cell.context_language {
        Some(context) if *context != cell.language => format!("{} about {context}", cell.language),
        _ => cell.language.clone(),
    };
    format!("{} on {} ({languages})", cell.model, cell.task)
}

/// What the same family has always; files that were changed by hand may not.
fn same_questions(first: (&Run, &Path), second: (&Run, &Path)) -> Result<(), ReportError> {
    match (first.0.questions, second.0.questions) {
        (Some(here), Some(there)) if here != there => Err(ReportError::OtherSettings {
            first: first.1.to_owned(),
            second: second.1.to_owned(),
            cell: described(second.0),
            difference: Box::new(Difference {
                what: "questions".to_owned(),
                first: here.to_string(),
                second: there.to_string(),
            }),
        }),
        _ => Ok(()),
    }
}

fn agree(
    families: &Families,
    first: (&Path, FamilyKey),
    second: (&Path, FamilyKey),
    cell: String,
) -> Result<(), ReportError> {
    match families.difference(first.1, families, second.1) {
        None => Ok(()),
        Some(difference) => Err(ReportError::OtherSettings {
            first: first.0.to_owned(),
            second: second.0.to_owned(),
            cell,
            difference: Box::new(difference),
        }),
    }
}
