//! Flags that say how the questions of a file are read, the same for every subcommand that reads some.

use std::num::NonZeroUsize;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::corpus::{Reading, Task};

/// A task and its choices.
#[derive(Debug, Clone, clap::Args)]
pub struct ReadingFlags {
    /// The task: whose file it is and whose rules it follows
    #[arg(long, default_value = Task::Squad.name(), value_parser = tasks())]
    task: Task,
    /// The language of the questions, as an ISO 639-1 code
    ///
    /// tydiqa takes the questions in it, without it all; mlqa takes it from the file's name.
    #[arg(long, value_name = "CODE")]
    language: Option<String>,
    /// The language of contexts and answers; mlqa takes it from the file's name
    #[arg(long, visible_alias = "context_language", value_name = "CODE")]
    context_language: Option<String>,
    /// How many contexts sq3 and xq3 join [default: 3]
    #[arg(long = "n_concat", visible_alias = "n-concat", value_name = "NUMBER")]
    n_concat: Option<NonZeroUsize>,
}

impl ReadingFlags {
    /// What the flags say over what the task does by itself.
    pub fn reading(&self) -> Reading {
        let own = Reading::of(self.task);
        Reading {
            n_concat: self.n_concat.unwrap_or(own.n_concat),
            language: self.language.clone(),
            context_language: self.context_language.clone(),
            ..own
        }
    }
}

fn tasks() -> impl TypedValueParser<Value = Task> {
    PossibleValuesParser::new(Task::ALL.map(Task::name)).try_map(|name| name.parse::<Task>())
}
