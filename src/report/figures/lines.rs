//! Lines: a number over another one, several series, intervals as whiskers.

use maud::{Markup, html};

use super::figure::{Drawing, all};
use super::frame::Frame;
use super::style::Style;
use crate::report::statistics::Interval;

/// A chart of lines.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// What goes right, with its unit.
    pub along: String,
    /// What goes up, with its unit.
    pub up: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Series {
    pub label: String,
    pub points: Vec<Mark>,
}

/// One point of it.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    pub x: f64,
    pub y: f64,
    pub interval: Option<Interval>,
}

/// Narrow enough to be read on a phone.
const WIDTH: f64 = 440.0;

/// More markers than this on a line hide it.
const MARKERS: usize = 12;

/// Whiskers of two series at the same place stand this far apart.
const APART: f64 = 4.0;

impl Lines {
    pub fn draw(&self) -> Drawing {
        let frame = Frame::wide(WIDTH);
        let marks = || self.series.iter().flat_map(|series| &series.points);
        let ends = |mark: &Mark| match mark.interval {
            Some(interval) => [mark.y, interval.low, interval.high],
            None => [mark.y; 3],
        };
        let along = frame.along(marks().map(|mark| mark.x));
        let up = frame.up(marks().flat_map(ends));
        let middle = (self.series.len() as f64 - 1.0) / 2.0;
        let lines = self.series.iter().enumerate().map(|(at, series)| {
            let has_whiskers = series.points.iter().any(|mark| mark.interval.is_some());
            let aside = if has_whiskers { (at as f64 - middle) * APART } else { 0.0 };
            let place = |value: &Mark| (along.place(value.x) + aside, up.place(value.y));
            let whiskers = series.points.iter().filter_map(|mark| {
                let interval = mark.interval?;
                let ends = [interval.low, interval.high].map(|end| up.place(end));
                Some(whisker(place(mark).0, ends, Style(at).colour()))
            });
            html! { (all(whiskers)) (stroke(Style(at), &series.points.iter().map(place).collect::<Vec<_>>())) }
        });
        let labels: Vec<&str> = self.series.iter().map(|series| series.label.as_str()).collect();
        let sample = |at: usize, x: f64, y: f64| {
            let style = Style(at);
            html! { (path(style, &[(x, y), (x + 30.0, y)])) (style.marker(x + 15.0, y)) }
        };
        let (legend, height) = frame.legend(&labels, sample);
        let shapes = html! {
            (frame.rules(&up, &self.up))
            (frame.ticks(&along.ticks(), &self.along))
            (all(lines))
            (legend)
        };
        Drawing { width: WIDTH, height, shapes }
    }
}

/// A line through points, some of them marked.
fn stroke(style: Style, points: &[(f64, f64)]) -> Markup {
    let every = points.len().div_ceil(MARKERS).max(1);
    let markers = points.iter().enumerate().filter(|(at, _)| at % every == every / 2);
    html! {
        @if points.len() > 1 { (path(style, points)) }
        @for (_, (x, y)) in markers { (style.marker(*x, *y)) }
    }
}

fn path(style: Style, points: &[(f64, f64)]) -> Markup {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    html! {
        polyline points=(points.join(" ")) fill="none" stroke=(style.colour()) stroke-width="2"
            stroke-dasharray=(style.dash()) stroke-linejoin="round" {}
    }
}

/// From the low to the high end of an interval.
pub fn whisker(x: f64, [low, high]: [f64; 2], colour: &str) -> Markup {
    let end = |y: f64| format!("M{:.1},{y:.1} h5", x - 2.5);
    let mut path = end(low);
    if low != high {
        path.push_str(&format!(" M{x:.1},{low:.1} L{x:.1},{high:.1} {}", end(high)));
    }
    html! { path d=(path) fill="none" stroke=(colour) stroke-opacity="0.75" {} }
}
