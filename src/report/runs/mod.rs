//! What tables are made from: the runs of an experiment with all that came of them, read from the
//! stage store, kept beside the tables, and merged with those of other machines.

mod collect;
mod kept;
mod merge;
mod record;

pub use collect::predictions;
pub use kept::{FOLDER, KeptRuns};
pub use merge::merge;
pub use record::{
    Header, Keys, Metric, Outcomes, Point, PretrainingRun, Question, QuestionSet, Record, Run, StageRecord,
};
