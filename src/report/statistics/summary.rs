//! Mean and standard deviation over seeds.

/// What a few runs of the same thing gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation (n − 1); none for a single run.
    pub sd: Option<f64>,
    /// How many there were.
    pub count: usize,
}

impl Summary {
    /// The summary of `values`; none of no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Some(Self { mean, sd, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_found_by_hand() {
        // Deviations −3, −1, 1, 3 around 5: squares sum to 20, 20 / 3.
        let summary = Summary::of(&[2.0, 4.0, 6.0, 8.0]).unwrap();
        assert_eq!((summary.mean, summary.count), (5.0, 4));
        assert!((summary.sd.unwrap() - 2.581988897471611).abs() < 1e-12);
    }

    #[test]
    fn one_run_has_no_deviation_and_no_run_has_no_mean() {
        assert_eq!(Summary::of(&[84.5]), Some(Summary { mean: 84.5, sd: None, count: 1 }));
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[7.0, 7.0]).unwrap().sd, Some(0.0));
    }
}
