//! The program's allocator is libtorch's too, and keeps memory as it is told to. Linkers decide whether it
//! is, and nothing else would tell: training would only need more memory.

use std::process::Command;

#[test]
fn the_program_and_libtorch_allocate_by_its_settings() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
    let output = command.args(["env"]).env("MALLOC_CONF", "stats_print:true").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let settings = ["opt.oversize_threshold: 0", "opt.dirty_decay_ms: 30000", "opt.muzzy_decay_ms: -1"];
    for setting in settings {
        assert!(said.contains(setting), "{setting}: {said}");
    }
    // libtorch asks for aligned memory by this name.
    let symbols =
        Command::new("nm").args(["-D", "--defined-only", env!("CARGO_BIN_EXE_longqa")]).output().unwrap();
    let symbols = String::from_utf8_lossy(&symbols.stdout);
    assert!(symbols.lines().any(|line| line.ends_with(" posix_memalign")), "{symbols}");
}
