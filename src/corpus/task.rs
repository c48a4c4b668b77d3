//! The tasks: how the questions of each are read from its files.
//!
//! | task | file | questions |
//! |---|---|---|
//! | `squad`, `xquad` | SQuAD v1.1 layout | all |
//! | `sq3`, `xq3` | the same file | one for each context, contexts joined |
//! | `mlqa` | SQuAD v1.1 layout, one file for each pair of languages | all |
//! | `tydiqa` | SQuAD v1.1 layout, languages in the ids | all, or those of one language |
//! | `triviaqa` | `qa/*.json` beside `evidence/` | see [`super::triviaqa`] |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A question-answering task, by its data and its official metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// SQuAD 1.1 (Rajpurkar et al. 2016).
    Squad,
    /// SQuAD 1.1 with contexts joined in threes (Sagen 2021).
    Sq3,
    /// XQuAD: SQuAD 1.1 dev in part, in twelve languages (Artetxe et al. 2020).
    Xquad,
    /// XQuAD with contexts joined in threes (Sagen 2021).
    Xq3,
    /// MLQA: question and context in any two of seven languages (Lewis et al. 2020).
    Mlqa,
    /// TyDi QA's gold passages (Clark et al. 2020).
    TydiQa,
    /// TriviaQA (Joshi et al. 2017).
    TriviaQa,
}

impl Task {
    /// Every task, in the order of the tables.
    pub const ALL: [Task; 7] =
        [Task::Squad, Task::Sq3, Task::Xquad, Task::Xq3, Task::Mlqa, Task::TydiQa, Task::TriviaQa];

    /// Its name on the command line, in experiment files and among the published numbers.
    pub fn name(self) -> &'static str {
        match self {
            Task::Squad => "squad",
            Task::Sq3 => "sq3",
            Task::Xquad => "xquad",
            Task::Xq3 => "xq3",
            Task::Mlqa => "mlqa",
            Task::TydiQa => "tydiqa",
            Task::TriviaQa => "triviaqa",
        }
    }

    /// Whether contexts are joined.
    pub fn joins_contexts(self) -> bool {
        matches!(self, Task::Sq3 | Task::Xq3)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Task {
    type Err = UnknownTask;

    fn from_str(name: &str) -> Result<Self, UnknownTask> {
        Task::ALL
            .into_iter()
            .find(|task| task.name() == name)
            .ok_or_else(|| UnknownTask { found: name.to_owned() })
    }
}

/// A name that is no task's.
#[derive(Debug, thiserror::Error)]
#[error("expected one of {}, found `{found}`", Task::ALL.map(Task::name).join(", "))]
pub struct UnknownTask {
    /// The name.
    pub found: String,
}
