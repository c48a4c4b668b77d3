//! Tables, figures and a page of an experiment's results, and the manifest behind them.
//!
//! | in `results/<experiment>/` | what |
//! |---|---|
//! | `report.html` | everything on one page, [`page`] |
//! | `tables/` | the [`tables`] as CSV, Markdown and LaTeX |
//! | `figures/` | the [`figures`] as SVG and PNG |
//! | `runs/` | the [`runs`] that all this is made from, to be merged with other machines' |
//! | `manifest.json` | everything known of every stage |

mod error;
pub mod figures;
mod folder;
pub mod groups;
pub mod page;
pub mod published;
pub mod runs;
pub mod statistics;
pub mod tables;
mod written;

pub use error::ReportError;
pub use folder::{ResultsFolder, write_manifest};
pub use written::Report;
