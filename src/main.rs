//! The program: arguments in, one call, one exit code out.

use std::process::ExitCode;

/// Tensors, whose sizes differ from step to step when tokens are laid end to end, leave glibc's heap full of
/// holes: fine-tuning on SQuAD grew by 25 MB a step. jemalloc stays at what is in use, for libtorch too.
/// [`longqa::native::ALLOCATOR_SETTINGS`] say how long it keeps what is freed.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    longqa::cli::main()
}
