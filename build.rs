//! Compiles `csrc/` against libtorch, lets the programs find libtorch where it lies, and tells them what
//! compiled them.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

const SOURCES: [&str; 6] = ["attention", "cross_entropy", "device", "dropout", "optimizer", "recomputation"];

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=csrc");
    let Some(libtorch) = env::var_os("LIBTORCH").map(PathBuf::from) else {
        println!("cargo:warning=LIBTORCH is not set; scripts/libtorch prints the folder to set it to");
        std::process::exit(1);
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
    let mut native = cc::Build::new();
    native
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        // libtorch's own threads: its `parallel_for` is compiled in here, and shares its OpenMP.
        .flag("-fopenmp")
        .flag_if_supported("-Wno-unused-parameter")
        .include(libtorch.join("include"))
        .files(SOURCES.map(|name| format!("csrc/{name}.cpp")));
    native.compile("longqa_native");
    println!("cargo:rustc-link-lib=gomp");

    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    println!("cargo:rustc-env=LONGQA_RUSTC={}", version(Command::new(rustc)));
    println!("cargo:rustc-env=LONGQA_CXX={}", version(native.get_compiler().to_command()));
}

/// The first line of what a compiler says of its version, or nothing.
fn version(mut compiler: Command) -> String {
    let said = compiler.arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned()
}
