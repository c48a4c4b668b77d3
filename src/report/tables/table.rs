//! A table as values: what its columns are and what stands in its cells. How it looks as CSV, Markdown,
//! LaTeX, text or HTML is other files' affair.

use crate::report::groups::Estimate;

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its file name.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What its reader must know.
    pub note: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each with a value for every column.
    pub rows: Vec<Vec<Value>>,
    /// The same for people, where they want another shape than programs.
    pub for_people: Option<Box<Table>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in CSV.
    pub name: String,
    /// Its name for people.
    pub heading: String,
    /// What stands in it.
    pub kind: Kind,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names.
    Text,
    /// Whole numbers.
    Count,
    /// Numbers, for people with that many decimals.
    Number(usize),
    /// Mean, deviation, interval: four columns of CSV.
    Estimate,
    /// Mean and deviation: two columns of CSV.
    Spread,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: not run, not measured, not published.
    Empty,
    /// A name.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number.
    Number(f64),
    /// A number over seeds.
    Estimate(Estimate),
    /// A mean and perhaps its deviation.
    Spread(f64, Option<f64>),
}

impl Column {
    /// A column that people know by another name than programs.
    pub fn new(name: impl Into<String>, heading: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), heading: heading.into(), kind }
    }

    /// A column of names.
    pub fn text(name: &str) -> Self {
        Self::new(name, name.replace('_', " "), Kind::Text)
    }

    /// A column of whole numbers.
    pub fn count(name: &str) -> Self {
        Self::new(name, name.replace('_', " "), Kind::Count)
    }
}

impl Value {
    /// A name, or nothing.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }
}

impl From<Option<f64>> for Value {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Number)
    }
}

impl From<Option<usize>> for Value {
    fn from(value: Option<usize>) -> Self {
        value.map_or(Self::Empty, |value| Self::Count(value as u64))
    }
}

impl From<Option<Estimate>> for Value {
    fn from(value: Option<Estimate>) -> Self {
        value.map_or(Self::Empty, Self::Estimate)
    }
}

impl Table {
    /// A table without rows.
    pub fn new(name: &'static str, title: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { name, title: title.into(), note: String::new(), columns, rows: Vec::new(), for_people: None }
    }

    /// The table with what its reader must know.
    pub fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The table in the shape for people, without columns in which nothing stands.
    pub fn for_people(&self) -> Table {
        let table = self.for_people.as_deref().unwrap_or(self);
        let filled: Vec<bool> =
            (0..table.columns.len()).map(|at| table.rows.iter().any(|row| row[at] != Value::Empty)).collect();
        fn keep<T: Clone>(values: &[T], filled: &[bool]) -> Vec<T> {
            values.iter().zip(filled).filter(|(_, filled)| **filled).map(|(value, _)| value.clone()).collect()
        }
        Table {
            columns: keep(&table.columns, &filled),
            rows: table.rows.iter().map(|row| keep(row, &filled)).collect(),
            for_people: None,
            ..table.clone()
        }
    }
}
