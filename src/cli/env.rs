//! `longqa env`: what this program is and what this machine gives it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

use anyhow::Context as _;
use serde_json::{Map, Value};
use tch::{Device, Kind};

use super::sources::CacheArgs;
use crate::device::{self, Choice, DeviceError};
use crate::digest::Digest;
use crate::experiment::provenance::Provenance;
use crate::model::attention::Backend;
use crate::process;

/// Print versions, what the program was built of, devices, threads and libtorch's location
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa env
  longqa env --device cuda:1
  longqa env | grep libtorch
  longqa env --check --device cuda > /dev/null")]
pub struct Args {
    /// One JSON object, every value a string, instead of lines
    #[arg(long)]
    json: bool,
    /// Fail if what --device asks for cannot be used; with auto, if there is a driver that cannot be used
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Prints one `name: value` line each. That the device asked for cannot be used is told, and with `--check`
/// alone a failure.
pub fn run(args: Args, asked: Choice) -> anyhow::Result<()> {
    let (device, cuda, unusable) = tried(asked);
    let attention = attention(device);
    let Provenance { build, device, threads, platform, processor, .. } = Provenance::gather(device);
    let unknown = || "unknown".to_owned();
    let shown = |path: Option<PathBuf>| path.map_or_else(unknown, |path| path.display().to_string());
    let runtime = device::runtime_version().map(|version| version.to_string());
    let cores = thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string());
    let digest = |known: Option<Digest>| known.map_or_else(unknown, |digest| digest.to_string());
    let cache = args.cache.open().map(|cache| cache.root().to_owned());
    let none = || "none".to_owned();
    let mut lines: Vec<(String, String)> = [
        ("longqa", build.version),
        ("revision", build.revision.unwrap_or_else(unknown)),
        ("rustc", build.rustc.unwrap_or_else(unknown)),
        ("c++ compiler", build.cxx.unwrap_or_else(unknown)),
        ("sha256 of Cargo.lock", digest(build.cargo_lock)),
        ("sha256 of datasets.lock", digest(build.datasets_lock)),
        ("libtorch", build.libtorch),
        ("libtorch loaded from", shown(process::loaded_library("libtorch_cpu.so"))),
        ("cuda of libtorch", runtime.unwrap_or_else(none)),
        ("device", device),
        ("cuda", cuda),
        ("attention", attention),
        ("driver", device::driver_version().unwrap_or_else(none)),
        ("libtorch threads", threads.to_string()),
        ("cores", cores),
        ("processor", processor.unwrap_or_else(unknown)),
        ("platform", platform),
        ("cache", shown(cache.ok())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (number, gpu) in device::gpus().into_iter().flatten().enumerate() {
        let gibibytes = gpu.total_bytes as f64 / f64::from(1 << 30);
        lines.push((format!("cuda:{number}"), format!("{}, {gibibytes:.1} GiB", gpu.name)));
    }
    let mut out = io::stdout().lock();
    if args.json {
        let object: Map<String, Value> =
            lines.into_iter().map(|(name, value)| (name, value.into())).collect();
        writeln!(out, "{}", Value::from(object))?;
    } else {
        for (name, value) in lines {
            writeln!(out, "{name}: {value}")?;
        }
    }
    match unusable.filter(|_| args.check) {
        Some(error) => Err(error).with_context(|| format!("--device {asked}")),
        None => Ok(()),
    }
}

/// The implementations of attention that models of base size would compute with.
fn attention(device: Device) -> String {
    const HEAD_DIM: i64 = 64;
    let by = |kind| Backend::available(device, kind, HEAD_DIM);
    let [float, bfloat, half] = [Kind::Float, Kind::BFloat16, Kind::Half].map(by);
    format!("{float} (float32, tensorfloat32), {bfloat} (bfloat16), {half} (float16)")
}

/// What the other subcommands would compute on, whether CUDA is used, and what of that is amiss.
fn tried(asked: Choice) -> (Device, String, Option<DeviceError>) {
    let number = match asked {
        Choice::Cpu => return (Device::Cpu, "not used: the CPU was asked for".to_owned(), None),
        Choice::Auto => 0,
        Choice::Cuda(number) => number,
    };
    match device::open_cuda(number) {
        Ok(_) => (Device::Cuda(number), format!("used: cuda:{number}"), None),
        Err(error) => {
            let told = format!("not used: {error}").replace('\n', " ");
            let none_there = matches!(error, DeviceError::NoDriver { .. } | DeviceError::NoGpu { .. });
            (Device::Cpu, told, (asked != Choice::Auto || !none_there).then_some(error))
        }
    }
}
