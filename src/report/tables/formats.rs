//! A table as CSV for programs, as Markdown, and as aligned text for terminals.

use std::fmt::Write;
use std::io;

use super::table::{Column, Kind, Table, Value};

impl Kind {
    /// Whether people read its cells as numbers, from the right.
    pub fn is_number(self) -> bool {
        self != Kind::Text
    }
}

impl Table {
    /// The table as CSV: four decimals, a column for each number.
    pub fn write_csv(&self, to: impl io::Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(self.columns.iter().flat_map(csv_names))?;
        for row in &self.rows {
            let cells = self.columns.iter().zip(row).flat_map(|(column, value)| csv_cells(column, value));
            writer.write_record(cells)?;
        }
        writer.flush()
    }

    /// The table for people as Markdown.
    pub fn markdown(&self) -> String {
        let table = self.for_people();
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let escaped = |text: &str| text.replace('|', "\\|");
        let mut text = format!("## {}\n\n", table.title);
        text.push_str(&line(table.columns.iter().map(|column| escaped(&column.heading)).collect()));
        let sides = table.columns.iter().map(|column| if column.kind.is_number() { "---:" } else { "---" });
        text.push_str(&line(sides.map(str::to_owned).collect()));
        for row in table.written() {
            text.push_str(&line(row.iter().map(|cell| escaped(cell)).collect()));
        }
        if !table.note.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{}\n", table.note);
        }
        text
    }

    /// The table for people in columns of equal width. Names that a row shares with the one above
    /// are left out.
    pub fn text(&self) -> String {
        let table = self.for_people();
        let names = table.columns.iter().take_while(|column| !column.kind.is_number()).count();
        let written: Vec<Vec<String>> = table.written().collect();
        let mut rows = written.clone();
        for (row, pair) in rows.iter_mut().skip(1).zip(written.windows(2)) {
            let shared = pair[1].iter().zip(&pair[0]).take(names.saturating_sub(1));
            let shared = shared.take_while(|(here, above)| here == above).count();
            row[..shared].iter_mut().for_each(String::clear);
        }
        let headings: Vec<&Column> = table.columns.iter().collect();
        format!("{}\n{}", table.title, aligned(&headings, &rows))
    }

    /// What people read in each cell.
    pub fn written(&self) -> impl Iterator<Item = Vec<String>> {
        self.rows
            .iter()
            .map(|row| self.columns.iter().zip(row).map(|(column, value)| written(column, value)).collect())
    }
}

fn csv_names(column: &Column) -> Vec<String> {
    let name = &column.name;
    let endings: &[&str] = match column.kind {
        Kind::Estimate => &["", "_sd", "_ci_low", "_ci_high"],
        Kind::Spread => &["", "_sd"],
        Kind::Text | Kind::Count | Kind::Number(_) => &[""],
    };
    endings.iter().map(|ending| format!("{name}{ending}")).collect()
}

fn csv_cells(column: &Column, value: &Value) -> Vec<String> {
    let number = |value: f64| format!("{value:.4}");
    let optional = |value: Option<f64>| value.map(number).unwrap_or_default();
    match value {
        Value::Empty => vec![String::new(); csv_names(column).len()],
        Value::Text(text) => vec![text.clone()],
        Value::Count(count) => vec![count.to_string()],
        Value::Number(value) => vec![number(*value)],
        Value::Spread(mean, sd) => vec![number(*mean), optional(*sd)],
        Value::Estimate(estimate) => {
            let (low, high) = (estimate.interval.map(|at| at.low), estimate.interval.map(|at| at.high));
            let summary = estimate.summary;
            vec![number(summary.mean), optional(summary.sd), optional(low), optional(high)]
        }
    }
}

fn written(column: &Column, value: &Value) -> String {
    let spread = |mean: f64, sd: Option<f64>| match sd {
        Some(sd) => format!("{mean:.2} ± {sd:.2}"),
        None => format!("{mean:.2}"),
    };
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => text.clone(),
        Value::Count(count) => count.to_string(),
        Value::Number(value) => {
            let decimals = if let Kind::Number(decimals) = column.kind { decimals } else { 2 };
            format!("{value:.decimals$}").replace('-', "−")
        }
        Value::Spread(mean, sd) => spread(*mean, *sd),
        Value::Estimate(estimate) => {
            let interval = estimate.interval.map(|at| format!(" [{:.1}, {:.1}]", at.low, at.high));
            spread(estimate.summary.mean, estimate.summary.sd) + &interval.unwrap_or_default()
        }
    }
}

/// The rows under their headings, names left, numbers right, two spaces between columns.
fn aligned(columns: &[&Column], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([columns[at].heading.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let first: Vec<String> = columns.iter().map(|column| column.heading.clone()).collect();
    let mut text = String::new();
    for row in std::iter::once(&first).chain(rows) {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            let gap = if line.is_empty() { "" } else { "  " };
            // Writing to a string does not fail.
            let _ = match column.kind.is_number() {
                false => write!(line, "{gap}{cell:<width$}"),
                true => write!(line, "{gap}{cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::groups::Estimate;
    use crate::report::statistics::{Interval, Summary};

    fn table() -> Table {
        let columns = vec![
            Column::text("model"),
            Column::text("rules"),
            Column::new("f1", "F1", Kind::Estimate),
            Column::new("published_f1", "published F1", Kind::Spread),
            Column::count("seeds"),
        ];
        let estimate = Estimate {
            summary: Summary { mean: 84.25, sd: Some(0.5), count: 2 },
            interval: Some(Interval { low: 83.0, high: 85.0 }),
        };
        let mut table = Table::new("t", "A | B", columns).with_note("Mind.");
        table.rows = vec![
            vec![Value::text("a|b"), Value::text("x"), Value::Estimate(estimate), Value::Empty, Value::Empty],
            vec![Value::text("a|b"), Value::text("y"), Value::Empty, Value::Empty, Value::Empty],
        ];
        table
    }

    #[test]
    fn csv_has_a_column_for_each_number_and_nothing_in_a_cell_not_run() {
        let mut bytes = Vec::new();
        table().write_csv(&mut bytes).unwrap();
        let expected = "model,rules,f1,f1_sd,f1_ci_low,f1_ci_high,published_f1,published_f1_sd,seeds\n\
                        a|b,x,84.2500,0.5000,83.0000,85.0000,,,\n\
                        a|b,y,,,,,,,\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn markdown_escapes_bars_and_leaves_empty_columns_out() {
        let expected = "## A | B\n\n| model | rules | F1 |\n| --- | --- | ---: |\n\
                        | a\\|b | x | 84.25 ± 0.50 [83.0, 85.0] |\n| a\\|b | y |  |\n\nMind.\n";
        assert_eq!(table().markdown(), expected);
    }

    #[test]
    fn text_is_aligned_and_does_not_repeat_names() {
        let expected = "A | B\nmodel  rules                         F1\n\
                        a|b    x      84.25 ± 0.50 [83.0, 85.0]\n       y\n";
        assert_eq!(table().text(), expected);
    }
}
