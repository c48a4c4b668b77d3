//! `longqa bench tokenize`: how fast a text becomes the token blocks of pretraining.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use rayon::ThreadPoolBuilder;

use super::super::Context;
use super::ceiling::Spread;
use crate::digest::Digest;
use crate::text::{Tokenizer, blocks};

/// Time the making of token blocks from a text, from file to file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa bench tokenize --tokenizer roberta-base --text wiki.train.raw
  python3 benches/peers/compare_tokenize.py --tokenizer roberta-base --text wiki.test.raw   # beside the tokenizers library")]
pub struct Tokenize {
    /// A folder with tokenizer.json, or with vocab.json and merges.txt; or a file in tokenizer.json's layout
    #[arg(long, value_name = "PATH")]
    tokenizer: PathBuf,
    /// UTF-8 text
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Tokens per block
    #[arg(long, default_value_t = 4096)]
    length: usize,
    /// Times that the text is tokenized; the median is told
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl Tokenize {
    /// Prints the median time, rates, and the digest of the blocks, by which runs can be compared.
    pub fn run(&self, context: &Context) -> anyhow::Result<()> {
        let tokenizer = match self.tokenizer.is_dir() {
            true => Tokenizer::from_folder(&self.tokenizer)?,
            false => Tokenizer::from_file(&self.tokenizer)?,
        };
        // rayon takes 0 for all cores.
        let pool = ThreadPoolBuilder::new().num_threads(self.threads.map_or(0, usize::from)).build()?;
        let folder = tempfile::tempdir().context("a folder for the blocks")?;
        let target = folder.path().join("text.blocks");
        let mut seconds = Vec::new();
        let mut tokens = 0;
        for _ in 0..self.repeats {
            let started = Instant::now();
            let build = || blocks::build(&self.text, &tokenizer, self.length, &target, &context.interrupt);
            tokens = pool.install(build)?.text_tokens();
            seconds.push(started.elapsed().as_secs_f64());
        }
        let bytes = self.text.metadata()?.len();
        let seconds = Spread::of(seconds).median;
        let mut out = io::stdout().lock();
        writeln!(out, "threads: {}", pool.current_num_threads())?;
        writeln!(out, "bytes: {bytes}")?;
        writeln!(out, "tokens: {tokens}")?;
        writeln!(out, "seconds: {seconds:.3}")?;
        writeln!(out, "megabytes_per_second: {:.2}", bytes as f64 / seconds / 1e6)?;
        writeln!(out, "tokens_per_second: {:.0}", tokens as f64 / seconds)?;
        writeln!(out, "sha256: {}", Digest::of_file(&target)?)?;
        Ok(())
    }
}
