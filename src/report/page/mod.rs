//! `report.html`: everything on one page, in one file, without scripts and without anything from the
//! network.

mod html;

pub use html::html;
