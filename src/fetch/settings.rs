//! How to fetch: from where, how many at a time, how patiently.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

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
    /// The Python whose pip gets wheels.
    pub python: PathBuf,
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
            python: PathBuf::from("python3"),
        }
    }
}
