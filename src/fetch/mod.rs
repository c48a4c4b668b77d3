//! From names in `datasets.lock` to verified bytes on disk.
//!
//! | file | subject |
//! |---|---|
//! | `lock` | what the lock file says, as types; names to entries |
//! | `lock_toml` | its TOML form, read and written |
//! | `folder_toml`, `wheel_toml` | its folders, and those published inside Python packages |
//! | `complaint` | what its entries are held to |
//! | `member_path` | paths that stay inside the folder they are unpacked into |
//! | `mirror` | folders and URL trees that hold copies |
//! | `http` | one HTTP transfer, with Range |
//! | `partial` | a file on its way, hashed as it grows, resumable |
//! | `retry` | how often, and after how long a pause |
//! | `pip` | a wheel by its package's name |
//! | `download` | a file from the first of its sources that gives the right bytes |
//! | `cache` | where things lie; content-addressed files |
//! | `pump`, `progress` | bytes from reader to writer, interruptible, and their bars |
//! | `unpack` | archives, member by member |
//! | `folder` | finished folders with their `SHA256SUMS` |
//! | `look` | what is here already, in the cache and in mirror folders |
//! | `fetcher`, `settings` | all of it, in parallel |
//! | `verify`, `add` | `longqa lock verify`, `longqa lock add` |

mod add;
mod cache;
mod complaint;
mod download;
mod error;
mod fetcher;
mod folder;
mod folder_toml;
mod http;
mod lock;
mod lock_toml;
mod look;
mod member_path;
mod mirror;
mod partial;
mod pip;
mod progress;
mod pump;
mod retry;
mod settings;
mod unpack;
mod verify;
mod wheel_toml;

pub use add::{Draft, Drafted, draft};
pub use cache::Cache;
pub use error::{FetchError, TransferError, Tried};
pub use fetcher::{Fetched, Fetcher};
pub use lock::{Archive, ArchiveFormat, Content, Entry, Lock, Member, Package, Pin, RemoteFile, Source};
pub use mirror::Mirror;
pub use retry::Backoff;
pub use settings::{Network, Settings, Unverified};
pub use verify::{Damage, Damaged, OnDamage, Verification, verify};
