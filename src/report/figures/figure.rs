//! A figure with its words, as part of a page, as an SVG file and as a PNG.

use std::sync::{Arc, LazyLock};

use maud::{Markup, PreEscaped, html};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::report::ReportError;

/// A figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its file name.
    pub name: String,
    /// What it is about.
    pub topic: Topic,
    /// What it shows, in a few words.
    pub title: String,
    /// How to read it.
    pub caption: String,
    drawing: Drawing,
}

/// What a figure is about; the page has a section for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Where in its document the answer stands.
    Position,
    /// How long the document is.
    Length,
    /// The languages of the questions.
    Languages,
    /// The course of training.
    Training,
    /// Tokens per second.
    Throughput,
}

impl Topic {
    /// All, in the order of the page.
    pub const ALL: [Topic; 5] =
        [Topic::Position, Topic::Length, Topic::Languages, Topic::Training, Topic::Throughput];

    /// Its title on the page.
    pub fn title(self) -> &'static str {
        match self {
            Topic::Position => "F1 by where in the document the answer stands",
            Topic::Length => "F1 by length of the document",
            Topic::Languages => "F1 by language",
            Topic::Training => "Training",
            Topic::Throughput => "Throughput",
        }
    }

    /// Its place on the page.
    pub fn anchor(self) -> &'static str {
        match self {
            Topic::Position => "position",
            Topic::Length => "length",
            Topic::Languages => "languages",
            Topic::Training => "training",
            Topic::Throughput => "throughput",
        }
    }
}

/// Shapes on a page of a known size.
#[derive(Debug, Clone)]
pub struct Drawing {
    pub width: f64,
    pub height: f64,
    pub shapes: Markup,
}

/// Pixels per unit: sharp in print at column width.
const SCALE: f32 = 2.0;

/// The same letters on every machine, containers without any fonts among them.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let family = fonts.faces().next().and_then(|face| face.families.first()).map(|(name, _)| name.clone());
    fonts.set_sans_serif_family(family.unwrap_or_default());
    Arc::new(fonts)
});

impl Figure {
    /// A figure of that name; the name is made fit for a file.
    pub fn new(name: &str, topic: Topic, title: String, caption: String, drawing: Drawing) -> Self {
        Self { name: file_name(name), topic, title, caption, drawing }
    }

    /// The drawing for a page, in the page's own colour of text.
    pub fn svg(&self) -> Markup {
        let Drawing { width, height, shapes } = &self.drawing;
        html! {
            svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(self.title)
                viewBox=(format!("0 0 {width:.0} {height:.0}"))
                width=(format!("{width:.0}")) height=(format!("{height:.0}"))
                font-family="sans-serif" font-size="13" fill="currentColor" color="#000" {
                title { (self.title) }
                (shapes)
            }
        }
    }

    /// The drawing as a file: black on white.
    pub fn svg_file(&self) -> String {
        let svg = self.svg().into_string();
        let white = "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"></rect>";
        let (head, shapes) = svg.split_once("</title>").unwrap_or((&svg, ""));
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{head}</title>{white}{shapes}\n")
    }

    /// The drawing as a PNG: the same bytes on every machine.
    ///
    /// # Errors
    /// [`ReportError::Figure`] if it cannot be rendered.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        let failed = |message: String| ReportError::Figure { name: self.name.clone(), message };
        let options = Options { fontdb: Arc::clone(&FONTS), ..Options::default() };
        let tree = Tree::from_str(&self.svg_file(), &options).map_err(|error| failed(error.to_string()))?;
        let size = tree.size().to_int_size();
        let pixels = |length: u32| (length as f32 * SCALE).ceil() as u32;
        let mut image = Pixmap::new(pixels(size.width()), pixels(size.height()))
            .ok_or_else(|| failed("it has no size".into()))?;
        resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut image.as_mut());
        image.encode_png().map_err(|error| failed(error.to_string()))
    }

    /// Whether it wants a row of the page for itself.
    pub fn is_wide(&self) -> bool {
        self.drawing.width > 500.0
    }

    /// The least width at which the figure's letters can be read; a page that is narrower scrolls it.
    pub fn least_width(&self) -> f64 {
        self.drawing.width * 0.7
    }
}

/// Letters, digits, dots and dashes of a name.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    name.chars().map(plain).collect()
}

/// Text; `anchor` is the side that stands at `x`.
pub fn text(x: f64, y: f64, anchor: &str, words: &str) -> Markup {
    html! { text x=(format!("{x:.1}")) y=(format!("{y:.1}")) text-anchor=(anchor) { (words) } }
}

/// A straight line in the colour of text.
pub fn line(from: (f64, f64), to: (f64, f64), opacity: f64) -> Markup {
    let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(|at| format!("{at:.1}"));
    html! { line x1=(x1) y1=(y1) x2=(x2) y2=(y2) stroke="currentColor" stroke-opacity=(opacity) {} }
}

/// About how wide text is.
pub fn text_width(words: &str) -> f64 {
    7.0 * words.chars().count() as f64
}

/// All of some shapes.
pub fn all(shapes: impl IntoIterator<Item = Markup>) -> Markup {
    PreEscaped(shapes.into_iter().map(|shape| shape.0).collect())
}
