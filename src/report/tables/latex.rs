//! A table as LaTeX, for `\input` in a paper that uses the package booktabs.

use std::fmt::Write;

use super::table::Table;

impl Table {
    /// The table for people as a `tabular` in a `table`.
    pub fn latex(&self) -> String {
        let table = self.for_people();
        let sides: String =
            table.columns.iter().map(|column| if column.kind.is_number() { 'r' } else { 'l' }).collect();
        let line = |cells: Vec<String>| format!("  {} \\\\\n", cells.join(" & "));
        let mut text = String::from("% Needs \\usepackage{booktabs}.\n\\begin{table}\n\\centering\n");
        // Writing to a string does not fail.
        let _ = write!(text, "\\caption{{{}}}\n\\label{{tab:{}}}\n", escaped(&table.title), table.name);
        let _ = write!(text, "\\begin{{tabular}}{{{sides}}}\n\\toprule\n");
        text.push_str(&line(table.columns.iter().map(|column| escaped(&column.heading)).collect()));
        text.push_str("\\midrule\n");
        for row in table.written() {
            text.push_str(&line(row.iter().map(|cell| escaped(cell)).collect()));
        }
        text.push_str("\\bottomrule\n\\end{tabular}\n");
        if !table.note.is_empty() {
            let _ = write!(text, "\n\\smallskip\\footnotesize {}\n", escaped(&table.note));
        }
        text.push_str("\\end{table}\n");
        text
    }
}

/// Text in which no character is a command. What tables of ours hold beyond ASCII is set in math,
/// for engines that know no Unicode.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            // After `\\`, a bracket would be that command's argument.
            '[' => escaped.push_str("{[}"),
            '±' => escaped.push_str("$\\pm$"),
            'Δ' => escaped.push_str("$\\Delta$"),
            '−' => escaped.push_str("$-$"),
            '·' => escaped.push_str("$\\cdot$"),
            '–' => escaped.push_str("--"),
            '≤' => escaped.push_str("$\\leq$"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tables::{Column, Value};

    #[test]
    fn nothing_in_a_cell_is_a_command() {
        let mut table = Table::new("t", "100 % of a_b", vec![Column::text("model"), Column::count("n")]);
        table.rows = vec![vec![Value::text("[a\\b] {~^} 1 ± 2 & $#"), Value::Count(3)]];
        let text = table.latex();
        assert!(
            text.contains("\\caption{100 \\% of a\\_b}\n\\label{tab:t}\n\\begin{tabular}{lr}\n\\toprule\n")
        );
        let row = "  {[}a\\textbackslash{}b] \\{\\textasciitilde{}\\textasciicircum{}\\} 1 $\\pm$ 2 \\& \\$\\# & 3 \\\\\n";
        assert!(text.contains(row), "{text}");
    }
}
