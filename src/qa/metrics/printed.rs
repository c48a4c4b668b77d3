//! Scores as one JSON object, with the digits that Python prints.

use std::fmt;

use super::evaluate::Scores;

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (exact_match, f1) = (as_python_prints(self.exact_match), as_python_prints(self.f1));
        write!(f, r#"{{"exact_match": {exact_match}, "f1": {f1}, "total": {}}}"#, self.total)
    }
}

/// Python's `repr` of a finite float. Rust's `{:?}` gives the same shortest digits and switches to an
/// exponent at the same sizes; it writes that exponent as `e-5` where Python writes `e-05`.
pub fn as_python_prints(number: f64) -> String {
    let digits = format!("{number:?}");
    let Some((mantissa, exponent)) = digits.split_once('e') else { return digits };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{mantissa}e{sign}{exponent:0>2}")
}
