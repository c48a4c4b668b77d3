//! `longqa`: does long-context ability learned on English transfer to other languages?
//!
//! The crate takes a pretrained encoder (BERT, RoBERTa, XLM-R), converts it to a Longformer, continues
//! masked-language-model pretraining on WikiText-103, fine-tunes on question answering with several
//! seeds, scores as the official scripts score, and prints tables.
//!
//! # The way the data goes
//! One direction; each arrow is a folder, and no folder looks back to a later one.
//! ```text
//! datasets.lock ─▶ fetch ─▶ corpus ─▶ text ─▶ model ─▶ train ─▶ qa ─▶ experiment ─▶ report
//!  what, hash      bytes    records   tokens   network  weights  answers  stages      tables, page
//! ```
//! | module | holds |
//! |---|---|
//! | [`fetch`] | the lock file, downloads, mirrors, digests, safe unpacking, the cache |
//! | [`corpus`] | one file per data set, and the built-in miniature |
//! | [`text`] | tokenizer, MLM blocks and masking, question/context windows with offsets |
//! | [`model`] | config, attention, encoder, heads, conversion to long, Hugging Face weights in and out |
//! | [`train`] | optimizer, schedule, the training loop, checkpoints |
//! | [`qa`] | span decoding, official metrics |
//! | [`experiment`] | the experiment file, its stages, the stage store, provenance, running |
//! | [`report`] | statistics, tables, figures, the HTML page |
//! | [`cli`] | one file per subcommand |
//!
//! Under all of them lie nine small modules: [`causes`] (what is behind an error), [`device`] (CPU or
//! GPU), [`digest`]
//! (SHA-256), [`durable`] (files that are whole or absent), [`interrupt`] (Ctrl-C as a value),
//! [`process`] (its memory and libraries), [`process_lock`] (one process at a time), [`random`]
//! (randomness without state) and [`native`] (everything `unsafe`).

pub mod causes;
pub mod cli;
pub mod corpus;
pub mod device;
pub mod digest;
pub mod durable;
pub mod experiment;
pub mod fetch;
pub mod interrupt;
pub mod model;
pub mod native;
pub mod process;
pub mod process_lock;
pub mod qa;
pub mod random;
pub mod report;
pub mod text;
pub mod train;
