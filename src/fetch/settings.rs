//! How to fetch: from where, how many at a time, how patiently.

use std::env;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::error::FetchError;
use super::mirror::Mirror;
use super::retry::Backoff;

/// Whether to use the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Mirror URLs and the lock's URLs are asked for what is not here.
    Online,
    /// Only the cache and mirror folders are used.
    Offline,
}

/// What to do with a file whose digest nobody states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unverified {
    /// Refuse to fetch it.
    Refuse,
    /// Fetch it and tell its digest.
    Allow,
}

/// How to fetch.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Asked before the lock's own URLs, in this order, folders first.
    pub mirrors: Vec<Mirror>,
    /// Whether to use the network.
    pub network: Network,
    /// What to do with a file whose digest nobody states.
    pub unverified: Unverified,
    /// Transfers at a time.
    pub jobs: NonZeroUsize,
    /// How often and how patiently a source is asked again.
    pub backoff: Backoff,
    /// How long a silent server is waited for.
    pub idle_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            network: Network::Online,
            unverified: Unverified::Refuse,
            jobs: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            backoff: Backoff::default(),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// The defaults, with the mirror that `LONGQA_MIRROR` names, if it is set.
    pub fn from_environment() -> Result<Self, FetchError> {
        let mirror = env::var("LONGQA_MIRROR").ok().filter(|value| !value.is_empty());
        Ok(Self {
            mirrors: mirror.map(|text| text.parse()).transpose()?.into_iter().collect(),
            ..Self::default()
        })
    }
}
