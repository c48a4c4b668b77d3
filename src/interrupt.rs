//! Ctrl-C as a value: long work asks it between steps, saves its state and stops.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::native;

/// The exit code of an interrupted program, 128 + SIGINT.
pub const EXIT_CODE: u8 = 130;

/// The user asked to stop; what was done is saved.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted; the state is saved, run the same command again to go on")]
pub struct Interrupted;

/// Whether the user has asked to stop. Clones share one answer.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens to SIGINT and SIGTERM. The first one asks; a second one ends the program at once.
    pub fn listen() -> Result<Self, ctrlc::Error> {
        let interrupt = Self::default();
        let flag = interrupt.clone();
        ctrlc::set_handler(move || {
            if flag.0.swap(true, Ordering::SeqCst) {
                native::exit_now(i32::from(EXIT_CODE));
            }
            // Whether anybody still reads stderr is no reason not to stop.
            let _ = writeln!(io::stderr(), "stopping after this step; again to stop at once");
        })?;
        Ok(interrupt)
    }

    /// Asks the work that holds a clone to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An error once a stop was asked for.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.requested() { Err(Interrupted) } else { Ok(()) }
    }
}
