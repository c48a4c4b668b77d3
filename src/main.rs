//! The program: arguments in, one call, one exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    longqa::cli::main()
}
