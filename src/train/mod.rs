//! From tokens to weights: settings, optimizer, schedule, the training loop, checkpoints.

pub mod checkpoint;
pub mod documents;
mod error;
pub mod events;
pub mod finetune;
pub mod hand_out;
mod identity;
mod journal;
mod log;
mod log_window;
mod loss_scale;
pub mod metrics;
pub mod micro_batch;
pub mod mlm;
mod optimizer;
mod order;
pub mod pretrain;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod spans;

pub use error::TrainError;
pub use journal::wall_clock;
pub use log::METRICS;
pub use optimizer::AdamW;
