//! Compiles `csrc/` against libtorch and lets the programs find libtorch where it lies.

use std::env;
use std::path::PathBuf;

const SOURCES: [&str; 6] = ["attention", "cross_entropy", "device", "dropout", "optimizer", "recomputation"];

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=csrc");
    let Some(libtorch) = env::var_os("LIBTORCH").map(PathBuf::from) else {
        println!("cargo:warning=LIBTORCH is not set; scripts/libtorch prints the folder to set it to");
        std::process::exit(1);
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libtorch.join("lib").display());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        // libtorch's own threads: its `parallel_for` is compiled in here, and shares its OpenMP.
        .flag("-fopenmp")
        .flag_if_supported("-Wno-unused-parameter")
        .include(libtorch.join("include"))
        .files(SOURCES.map(|name| format!("csrc/{name}.cpp")))
        .compile("longqa_native");
    println!("cargo:rustc-link-lib=gomp");
}
