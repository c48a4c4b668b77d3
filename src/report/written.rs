//! A report as files: tables, figures and the page.

use std::io::{self, Write};
use std::path::PathBuf;

use super::figures::{self, Figure};
use super::groups::groups;
use super::published;
use super::runs::Record;
use super::tables::{Table, subjects, tables};
use super::{ReportError, ResultsFolder, page};
use crate::durable::{self, PendingFolder, WriteError};

/// All tables and figures of an experiment.
#[derive(Debug)]
pub struct Report<'a> {
    record: &'a Record,
    tables: Vec<Table>,
    figures: Vec<Figure>,
}

impl<'a> Report<'a> {
    /// Makes them from the runs, with the published numbers that the experiment asks for.
    pub fn of(record: &'a Record) -> Result<Self, ReportError> {
        let published = published::numbers(&record.experiment.published)?;
        let groups = groups(&record.runs);
        let subjects = subjects(&groups);
        Ok(Self {
            record,
            tables: tables(record, &groups, &subjects, &published),
            figures: figures::figures(record, &groups, &subjects),
        })
    }

    /// Writes tables, figures and page; gives back where the page is. Each folder and the page is
    /// whole or absent, and tables of an earlier report that are none any more are gone.
    pub fn write(&self, folder: &ResultsFolder) -> Result<PathBuf, ReportError> {
        let pending = PendingFolder::beside(&folder.path().join("tables"))?;
        for table in &self.tables {
            let write = |ending: &str, text: &[u8]| {
                durable::write(&pending.path().join(format!("{}.{ending}", table.name)), text)
            };
            let mut csv = Vec::new();
            let path = || folder.path().join("tables").join(table.name);
            table.write_csv(&mut csv).map_err(|source: io::Error| WriteError { path: path(), source })?;
            write("csv", &csv)?;
            write("md", table.markdown().as_bytes())?;
            write("tex", table.latex().as_bytes())?;
        }
        pending.commit()?;
        let pending = PendingFolder::beside(&folder.path().join("figures"))?;
        for figure in &self.figures {
            let path = |ending: &str| pending.path().join(format!("{}.{ending}", figure.name));
            durable::write(&path("svg"), figure.svg_file().as_bytes())?;
            durable::write(&path("png"), &figure.png()?)?;
        }
        pending.commit()?;
        let path = folder.path().join("report.html");
        let html = page::html(self.record, &self.tables, &self.figures);
        durable::write_with(&path, |file| file.write_all(html.as_bytes()))?;
        Ok(path)
    }

    /// The tables for people, without that of every single run.
    pub fn text(&self) -> String {
        let shown = self.tables.iter().filter(|table| table.name != "runs");
        shown.map(Table::text).collect::<Vec<_>>().join("\n")
    }
}
