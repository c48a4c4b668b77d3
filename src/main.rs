//! The program: arguments in, one call, one exit code out.

use std::process::ExitCode;

/// Tensors, whose sizes differ from step to step when tokens are laid end to end, leave glibc's heap full of
/// holes: fine-tuning MiniLM on SQuAD stood at 8 GB after 300 steps, and grew on. With jemalloc, which libtorch
/// uses too, it was below 3.5 GiB after 880.
/// [`longqa::native::ALLOCATOR_SETTINGS`] say how long it keeps what is freed.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    longqa::cli::main()
}
