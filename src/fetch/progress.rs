//! Bars with rate and time left on stderr: one per running transfer, one for all together. Nothing
//! is drawn when stderr is no terminal or when messages are turned off.

use std::io::{self, Read};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All bars of one `fetch`.
pub(super) struct Progress {
    bars: MultiProgress,
    all: Option<ProgressBar>,
}

/// The bar of one file; dropped, it disappears.
pub(super) struct Meter {
    bar: ProgressBar,
    all: Option<ProgressBar>,
}

const STYLE: &str = "{prefix:.bold} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const UNSIZED_STYLE: &str = "{prefix:.bold} {spinner} {bytes} {bytes_per_sec}";

impl Progress {
    /// Bars for this process's stderr.
    pub(super) fn new() -> Self {
        let quiet = !tracing::enabled!(tracing::Level::INFO);
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target), all: None }
    }

    /// Announces several files of `bytes` together; their bars move this one too.
    pub(super) fn expect(&mut self, files: usize, bytes: u64) {
        if files > 1 {
            let bar = self.bars.add(styled(Some(bytes), format!("{files} files")));
            self.all = Some(bar);
        }
    }

    /// The bar for a download of `bytes`.
    pub(super) fn download(&self, name: &str, bytes: Option<u64>) -> Meter {
        self.meter(name.to_owned(), bytes, self.all.clone())
    }

    /// The bar for work on this machine, named `what`.
    pub(super) fn work(&self, what: String, bytes: Option<u64>) -> Meter {
        self.meter(what, bytes, None)
    }

    fn meter(&self, prefix: String, bytes: Option<u64>, all: Option<ProgressBar>) -> Meter {
        Meter { bar: self.bars.insert_from_back(usize::from(all.is_some()), styled(bytes, prefix)), all }
    }

    /// Lets `say` write to stderr without tearing the bars.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.bars.suspend(say);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            all.finish_and_clear();
        }
    }
}

impl Meter {
    /// Counts what is read through `inner`.
    pub(super) fn read<R: Read>(&self, inner: R) -> Metered<'_, R> {
        Metered { inner, meter: self }
    }

    /// `count` more bytes are done.
    pub(super) fn add(&self, count: u64) {
        self.bar.inc(count);
        if let Some(all) = &self.all {
            all.inc(count);
        }
    }

    /// So many bytes are done, more or fewer than a moment ago; they do not count as speed.
    pub(super) fn stand_at(&self, position: u64) {
        let before = self.bar.position();
        self.bar.set_position(position);
        self.bar.reset_eta();
        if let Some(all) = &self.all {
            all.set_position((all.position() + position).saturating_sub(before));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A reader that moves a bar.
pub(super) struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}

fn styled(bytes: Option<u64>, prefix: String) -> ProgressBar {
    let (bar, style) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), STYLE),
        None => (ProgressBar::new_spinner(), UNSIZED_STYLE),
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.with_prefix(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_for_all_follows_each_file_also_backwards() {
        let mut progress = Progress::new();
        progress.expect(2, 30);
        let (a, b) = (progress.download("a", Some(10)), progress.download("b", Some(20)));
        a.stand_at(4);
        io::copy(&mut b.read(&[0; 5][..]), &mut io::sink()).unwrap();
        assert_eq!(progress.all.as_ref().unwrap().position(), 9);
        a.stand_at(0);
        assert_eq!((a.bar.position(), progress.all.as_ref().unwrap().position()), (0, 5));
    }

    #[test]
    fn every_template_is_well_formed() {
        for template in [STYLE, UNSIZED_STYLE] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
