//! The figures, drawn as SVG: each readable in black and white and without colour vision (Okabe and
//! Ito's colours, and with every colour its own marker, dash or hatch), on a light page and a dark one.
//!
//! | figure | what it shows |
//! |---|---|
//! | `pretraining-loss`, `bpc-*` | the course of pretraining |
//! | `finetuning-*` | the course of fine-tuning |
//! | `position-*` | F1 by where in the document the answer begins: the question of the whole work |
//! | `length-*` | F1 by the length of the document |
//! | `languages-*` | F1 by language |
//! | `throughput` | tokens per second of every kind of stage |

mod answers;
mod axis;
mod bars;
mod figure;
mod frame;
mod languages;
mod lines;
mod sets;
mod style;
mod throughput;
mod training;

pub use figure::{Figure, Topic};

use super::groups::Group;
use super::runs::Record;
use super::tables::Subject;

/// All figures that there are numbers for, in the order of the report.
pub fn figures(record: &Record, groups: &[Group], subjects: &[Subject]) -> Vec<Figure> {
    let mut figures = answers::figures(groups, &record.families);
    figures.extend(languages::figures(subjects));
    figures.extend(training::figures(record));
    figures.extend(throughput::figure(record));
    figures
}
