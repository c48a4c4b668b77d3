//! The tables, one for each question that the work asks.
//!
//! | table | what a row is |
//! |---|---|
//! | `bpc` | one evaluation of a language model |
//! | `squad`, `xquad`, `xq3`, `mlqa`, `tydiqa`, `triviaqa` | a model on a task in a language, over seeds |
//! | `depth` | the questions whose answer begins in one tenth of their document |
//! | `comparisons` | a model less another one that differs from it in one thing |
//! | `cost` | the stages of one kind, model and task |
//! | `runs` | one run |

mod averages;
mod beside;
mod bpc;
mod comparisons;
mod cost;
mod depth;
mod formats;
mod latex;
mod runs;
mod scores;
mod table;

pub use averages::{Subject, subjects};
pub use cost::costs;
pub use depth::{PARTS, part_of};
pub use table::{Column, Kind, Table, Value};

use super::groups::Group;
use super::published::Published;
use super::runs::Record;

/// All tables of `record` that have rows, in the order of the report.
pub fn tables(
    record: &Record,
    groups: &[Group],
    subjects: &[Subject],
    published: &[Published],
) -> Vec<Table> {
    let mut tables = vec![bpc::table(&record.pretrainings, published)];
    tables.extend(scores::tables(subjects, published));
    tables.push(depth::table(groups));
    tables.push(comparisons::table(subjects, &record.families));
    tables.push(cost::table(record));
    tables.push(runs::table(&record.runs));
    tables.retain(|table| !table.rows.is_empty());
    tables
}
