//! What tells one series from another: colour, marker, dash and hatch, all four at once.

use maud::{Markup, html};

/// Okabe and Ito's colours for the colour-blind, without black, which is the text's, and yellow,
/// which a white page swallows.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

const DASHES: [&str; 5] = ["none", "7 3", "2 3", "9 3 2 3", "5 2 1 2 1 2"];

/// How a series looks, by its place among the others.
#[derive(Debug, Clone, Copy)]
pub struct Style(pub usize);

impl Style {
    pub fn colour(self) -> &'static str {
        COLOURS[self.0 % COLOURS.len()]
    }

    /// As many dashes as colours would repeat together with them.
    pub fn dash(self) -> &'static str {
        DASHES[self.0 % DASHES.len()]
    }

    /// A marker around a point.
    pub fn marker(self, x: f64, y: f64) -> Markup {
        let at = |dx: f64, dy: f64| format!("{:.1},{:.1}", x + dx, y + dy);
        let path = match self.0 % 7 {
            0 => {
                return html! { circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3.5" fill=(self.colour()) {} };
            }
            1 => format!("M{} h6.4 v6.4 h-6.4 z", at(-3.2, -3.2)),
            2 => format!("M{} L{} L{} z", at(0.0, -4.4), at(4.2, 3.2), at(-4.2, 3.2)),
            3 => format!("M{} L{} L{} L{} z", at(0.0, -4.6), at(4.6, 0.0), at(0.0, 4.6), at(-4.6, 0.0)),
            4 => format!("M{} L{} L{} z", at(0.0, 4.4), at(4.2, -3.2), at(-4.2, -3.2)),
            5 => format!("M{} L{} M{} L{}", at(-3.4, -3.4), at(3.4, 3.4), at(-3.4, 3.4), at(3.4, -3.4)),
            _ => format!("M{} L{} M{} L{}", at(0.0, -4.4), at(0.0, 4.4), at(-4.4, 0.0), at(4.4, 0.0)),
        };
        html! { path d=(path) fill=(self.colour()) stroke=(self.colour()) stroke-width="1.5" {} }
    }

    /// What fills a bar: to be referred to as `url(#ID)`.
    pub fn hatch(self, id: &str) -> Markup {
        let path = match self.0 % 6 {
            0 => "",
            1 => "M-1,1 l2,-2 M0,8 l8,-8 M7,9 l2,-2",
            2 => "M0,4 h8",
            3 => "M-1,7 l2,2 M0,0 l8,8 M7,-1 l2,2",
            4 => "M4,0 v8",
            _ => "M0,0 l8,8 M0,8 l8,-8",
        };
        html! {
            pattern id=(id) width="8" height="8" patternUnits="userSpaceOnUse" {
                rect width="8" height="8" fill=(self.colour()) {}
                @if !path.is_empty() { path d=(path) stroke="#fff" stroke-width="1.8" fill="none" {} }
            }
        }
    }
}
