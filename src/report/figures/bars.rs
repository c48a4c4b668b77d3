//! Bars: a number for each of several things, one bar for each series, intervals as whiskers.

use maud::html;

use super::figure::{Drawing, all, text, text_width};
use super::frame::Frame;
use super::lines::whisker;
use super::style::Style;
use crate::report::groups::Estimate;

/// A chart of bars that stand.
#[derive(Debug, Clone)]
pub struct Bars {
    /// What stands side by side.
    pub along: String,
    /// What goes up, with its unit.
    pub up: String,
    /// The names of the things.
    pub things: Vec<String>,
    /// For each series its name and a number for each thing, where there is one.
    pub series: Vec<(String, Vec<Option<Estimate>>)>,
}

const NARROWEST: f64 = 440.0;
const NARROWEST_BAR: f64 = 11.0;
const WIDEST_BAR: f64 = 22.0;
const GAP: f64 = 12.0;

impl Bars {
    /// The chart. `name` sets its hatches apart from those of other charts of the page.
    pub fn draw(&self, name: &str) -> Drawing {
        let group = NARROWEST_BAR * self.series.len() as f64 + GAP;
        let width = (group * self.things.len() as f64 + 80.0).max(NARROWEST);
        let frame = Frame::wide(width);
        let tops = self
            .series
            .iter()
            .flat_map(|(_, values)| values.iter().flatten())
            .map(|estimate| estimate.interval.map_or(estimate.summary.mean, |interval| interval.high));
        // A bar's length is its number: it begins at nothing.
        let up = frame.up(tops.chain([0.0]));
        let room = (frame.right - frame.left) / self.things.len().max(1) as f64;
        let bar_width = ((room - GAP) / self.series.len().max(1) as f64).clamp(NARROWEST_BAR, WIDEST_BAR);
        let middle = |thing: usize| frame.left + (thing as f64 + 0.5) * room;
        let hatch = |series: usize| format!("{name}-{series}");
        let bar = |series: usize, x: f64, top: f64, bottom: f64, width: f64| {
            let [x, top, height, width] = [x, top, bottom - top, width].map(|length| format!("{length:.1}"));
            html! {
                rect x=(x) y=(top) width=(width) height=(height) fill=(format!("url(#{})", hatch(series)))
                    stroke="currentColor" stroke-width="0.8" {}
            }
        };
        let bars = self.series.iter().enumerate().flat_map(|(series, (_, values))| {
            values.iter().enumerate().filter_map(move |(thing, value)| Some((series, thing, (*value)?)))
        });
        let first = bar_width * self.series.len() as f64 / 2.0;
        let bars = bars.map(|(series, thing, estimate)| {
            let x = middle(thing) - first + bar_width * series as f64;
            let whiskers = estimate.interval.map(|interval| {
                let ends = [interval.low, interval.high].map(|end| up.place(end));
                whisker(x + (bar_width - 1.5) / 2.0, ends, "currentColor")
            });
            html! {
                (bar(series, x, up.place(estimate.summary.mean), frame.bottom, bar_width - 1.5))
                @if let Some(whiskers) = whiskers { (whiskers) }
            }
        });
        let labels: Vec<&str> = self.series.iter().map(|(label, _)| label.as_str()).collect();
        let (legend, height) = frame.legend(&labels, |at, x, y| bar(at, x, y - 7.0, y + 7.0, 28.0));
        let ticks: Vec<_> =
            self.things.iter().enumerate().map(|(at, thing)| (thing.clone(), middle(at))).collect();
        let shapes = html! {
            defs { @for at in 0..self.series.len() { (Style(at).hatch(&hatch(at))) } }
            (frame.rules(&up, &self.up))
            (all(bars))
            (frame.ticks(&ticks, &self.along))
            (legend)
        };
        Drawing { width, height, shapes }
    }
}

/// Bars that lie, each under its name, with its number behind it.
pub fn lying(name: &str, bars: &[(String, f64)], unit: &str) -> Drawing {
    const ROW: f64 = 40.0;
    let longest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let height = ROW * bars.len() as f64 + 8.0;
    let width = bars.iter().map(|(label, _)| text_width(label) + 16.0).fold(NARROWEST, f64::max);
    let hatch = format!("{name}-0");
    let shapes = html! {
        defs { (Style(0).hatch(&hatch)) }
        @for (at, (label, value)) in bars.iter().enumerate() {
            @let y = ROW * at as f64 + 16.0;
            @let length = 290.0 * value / longest;
            (text(8.0, y, "start", label))
            rect x="8" y=(format!("{:.1}", y + 5.0)) width=(format!("{length:.1}")) height="13"
                fill=(format!("url(#{hatch})")) stroke="currentColor" stroke-width="0.8" {}
            (text(length + 14.0, y + 16.0, "start", &format!("{} {unit}", grouped(*value))))
        }
    };
    Drawing { width, height, shapes }
}

/// A whole number with thin gaps between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let gaps = |(at, digit): (usize, char)| {
        let gap = at > 0 && (digits.len() - at) % 3 == 0;
        gap.then_some('\u{2009}').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(gaps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([7.0, 1234.4, 239_000.0].map(grouped), ["7", "1\u{2009}234", "239\u{2009}000"]);
    }
}
