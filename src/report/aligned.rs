//! Tables for people: columns padded to the same width, numbers to the right.

use std::fmt::Write;

/// Which side of its column a cell stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// The rows under their headings, two spaces between columns, a newline after each row.
pub fn aligned(headings: &[(&str, Side)], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|(name, _)| name.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let first: Vec<String> = headings.iter().map(|(name, _)| name.to_string()).collect();
    let mut text = String::new();
    for row in std::iter::once(&first).chain(rows) {
        let mut line = String::new();
        for ((cell, (_, side)), width) in row.iter().zip(headings).zip(&widths) {
            let gap = if line.is_empty() { "" } else { "  " };
            // Writing to a string does not fail.
            let _ = match side {
                Side::Left => write!(line, "{gap}{cell:<width$}"),
                Side::Right => write!(line, "{gap}{cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number with that many decimals; nothing for none.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    value.map(|value| format!("{value:.decimals$}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_left_and_numbers_right() {
        let rows = vec![vec!["roberta-base".into(), "84.30".into()], vec!["ä".into(), "".into()]];
        let text = aligned(&[("model", Side::Left), ("em", Side::Right)], &rows);
        assert_eq!(text, "model            em\nroberta-base  84.30\nä\n");
    }
}
