//! An axis: from values to places on the page, with ticks at round numbers.

/// A straight scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    step: f64,
    /// Where the low and the high end stand on the page.
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that holds all of `values`, with its ends at round numbers; around nothing, 0 to 1.
    pub fn around(values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        });
        let (low, high) = match ends {
            Some((low, high)) if low < high => (low, high),
            Some((only, _)) => (only - 0.5, only + 0.5),
            None => (0.0, 1.0),
        };
        let step = round_step((high - low) / 5.0);
        // A value that stands at a round number up to rounding has no tick beyond it.
        let (low, high) = ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step);
        Self { low, high, step, from, to }
    }

    /// Where a value stands on the page.
    pub fn place(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The ticks: value as text and place.
    pub fn ticks(&self) -> Vec<(String, f64)> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        let value = |at: usize| self.low + at as f64 * self.step;
        (0..=count).map(|at| (format!("{:.decimals$}", value(at)), self.place(value(at)))).collect()
    }
}

/// The next of 1, 2, 5, 10, 20, … times a power of ten.
fn round_step(width: f64) -> f64 {
    let power = 10f64.powf(width.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= width * 0.999);
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_at_round_numbers_around_all_values() {
        let axis = Axis::around([61.3, 88.9].into_iter(), (200.0, 0.0));
        let labels: Vec<_> = axis.ticks().into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["60", "70", "80", "90"]);
        assert_eq!((axis.place(60.0), axis.place(75.0), axis.place(90.0)), (200.0, 100.0, 0.0));
        let fine = Axis::around([2.51, 2.56].into_iter(), (0.0, 1.0));
        assert_eq!(fine.ticks()[0].0, "2.51");
    }

    #[test]
    fn one_value_none_and_infinite_ones_have_an_axis() {
        assert!((Axis::around([3.0].into_iter(), (0.0, 1.0)).place(3.0) - 0.5).abs() < 1e-9);
        assert_eq!(Axis::around([f64::NAN].into_iter(), (0.0, 1.0)).ticks().len(), 6);
    }
}
