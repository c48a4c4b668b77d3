//! Settings as flags: every key of a settings struct is an option of that name.
//!
//! The struct's own list of keys and its defaults make the flags and their help, so that a flag, a
//! key of an experiment file and a field cannot drift apart.

use std::marker::PhantomData;

use clap::{Arg, ArgMatches, Command, FromArgMatches};

use crate::experiment::{SettingsTable, WrongType};

/// `--KEY VALUE` for every key of `S`, over the defaults of `S`.
#[derive(Debug, Clone)]
pub struct SettingsFlags<S> {
    given: toml::Table,
    settings: PhantomData<S>,
}

impl<S: SettingsTable> SettingsFlags<S> {
    /// The defaults with the given flags laid over them.
    pub fn settings(&self) -> Result<S, WrongType> {
        self.settings_over(&S::default())
    }

    /// `own` defaults, of a task perhaps, with the given flags laid over them.
    pub fn settings_over(&self, own: &S) -> Result<S, WrongType> {
        own.overlaid(&[("the command line", &self.given)])
    }
}

/// The flags whose defaults are others with `own`, as they would be given: `--max_length 4096`.
pub fn other_defaults<S: SettingsTable>(own: &S) -> String {
    let (defaults, own) = (S::default_table(), own.table());
    let other = S::KEYS.iter().filter_map(|(key, _)| {
        let value = own.get(*key).filter(|value| defaults.get(*key) != Some(value))?;
        Some(format!("--{key} {}", value.to_string().trim_matches('"')))
    });
    other.collect::<Vec<_>>().join(" ")
}

impl<S: SettingsTable> clap::Args for SettingsFlags<S> {
    fn augment_args(command: Command) -> Command {
        let defaults = S::default_table();
        S::KEYS.iter().fold(command, |command, (key, meaning)| {
            let default = defaults.get(*key).map(ToString::to_string).unwrap_or_default();
            let flag = Arg::new(*key)
                .long(*key)
                .visible_alias_if_other(key.replace('_', "-"), key)
                .value_name("VALUE")
                .allow_negative_numbers(true)
                .help(format!("{meaning} [default: {}]", default.trim_matches('"')))
                .help_heading("Settings");
            // Users of the original have their seed in .env.
            command.arg(if *key == "seed" { flag.env("LONGQA_SEED") } else { flag })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: SettingsTable> FromArgMatches for SettingsFlags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = toml::Table::new();
        for (key, _) in S::KEYS {
            if let Some(text) = matches.get_one::<String>(key) {
                given.insert((*key).to_owned(), value(text));
            }
        }
        Ok(Self { given, settings: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A number or a truth value if the text is one, else the text.
fn value(text: &str) -> toml::Value {
    let number = text.parse::<toml::Value>().ok();
    number.filter(|value| !value.is_table() && !value.is_array()).unwrap_or_else(|| text.into())
}

trait AliasIfOther {
    fn visible_alias_if_other(self, alias: String, name: &str) -> Self;
}

impl AliasIfOther for Arg {
    /// clap refuses an alias that equals the name.
    fn visible_alias_if_other(self, alias: String, name: &str) -> Self {
        if alias == name { self } else { self.alias(alias) }
    }
}
