//! What charts share: the frame with its axes, and the legend under it.

use maud::{Markup, html};

use super::axis::Axis;
use super::figure::{all, line, text, text_width};

/// The place of a chart on its page.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// Room for the ticks and title of the axis below, and the row of a legend.
const BELOW: f64 = 48.0;
const ROW: f64 = 20.0;

impl Frame {
    /// A frame of that width, of the usual height.
    pub fn wide(width: f64) -> Self {
        Self { left: 58.0, right: width - 22.0, top: 12.0, bottom: 252.0 }
    }

    /// The axis that goes up.
    pub fn up(&self, values: impl Iterator<Item = f64>) -> Axis {
        Axis::around(values, (self.bottom, self.top))
    }

    /// The axis that goes right.
    pub fn along(&self, values: impl Iterator<Item = f64>) -> Axis {
        Axis::around(values, (self.left, self.right))
    }

    /// Lines at the ticks of the axis that goes up, with numbers and the axis's title.
    pub fn rules(&self, axis: &Axis, title: &str) -> Markup {
        let middle = (self.top + self.bottom) / 2.0;
        html! {
            @for (label, y) in axis.ticks() {
                (line((self.left, y), (self.right, y), 0.2))
                (text(self.left - 7.0, y + 4.5, "end", &label))
            }
            (line((self.left, self.bottom), (self.right, self.bottom), 1.0))
            text transform=(format!("translate(15 {middle:.1}) rotate(-90)")) text-anchor="middle" { (title) }
        }
    }

    /// Ticks below, with their labels and the axis's title.
    pub fn ticks(&self, ticks: &[(String, f64)], title: &str) -> Markup {
        html! {
            @for (label, x) in ticks {
                (line((*x, self.bottom), (*x, self.bottom + 5.0), 1.0))
                (text(*x, self.bottom + 19.0, "middle", label))
            }
            (text((self.left + self.right) / 2.0, self.bottom + 38.0, "middle", title))
        }
    }

    /// The names of series under the chart, each after its sample, drawn at the given place; and the
    /// height of the whole.
    pub fn legend(&self, labels: &[&str], sample: impl Fn(usize, f64, f64) -> Markup) -> (Markup, f64) {
        let widest = labels.iter().map(|label| text_width(label) + 46.0).fold(1.0, f64::max);
        let columns = (((self.right - 10.0) / widest) as usize).clamp(1, labels.len().max(1));
        let top = self.bottom + BELOW + 12.0;
        let entries = labels.iter().enumerate().map(|(at, label)| {
            let x = 12.0 + (at % columns) as f64 * widest;
            let y = top + (at / columns) as f64 * ROW;
            html! { (sample(at, x, y)) (text(x + 36.0, y + 4.5, "start", label)) }
        });
        let rows = labels.len().div_ceil(columns);
        (all(entries), top + (rows as f64 - 0.5) * ROW)
    }
}
