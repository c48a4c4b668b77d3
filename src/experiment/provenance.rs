//! With what and where results are made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use tch::Device;

use crate::device;

/// The program, the machine and the libraries behind a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The program's version.
    pub longqa: String,
    /// The git revision of its source, with `-dirty` when that was changed; none outside a checkout.
    pub revision: Option<String>,
    /// The libtorch release that the program is built against.
    pub libtorch: String,
    /// `cpu`, or the name of the GPU.
    pub device: String,
    /// The GPU's driver and the newest CUDA that it runs; none on a CPU.
    pub driver: Option<String>,
    /// The CUDA that libtorch is built for; none on a CPU.
    pub cuda: Option<String>,
    /// Threads that libtorch computes with.
    pub threads: i32,
    /// The machine's name.
    pub host: Option<String>,
    /// Operating system and processor architecture.
    pub platform: String,
    /// The processor's name.
    pub processor: Option<String>,
}

/// The release whose headers and libraries `build.rs` asks for.
const LIBTORCH: &str = "2.11.0";

impl Provenance {
    /// What can be learned here and now. `device` is what stages compute on.
    pub fn gather(device: Device) -> Self {
        let on_gpu = |told: Option<String>| told.filter(|_| device.is_cuda());
        Self {
            longqa: env!("CARGO_PKG_VERSION").to_owned(),
            revision: revision(),
            libtorch: LIBTORCH.to_owned(),
            device: device::name(device),
            driver: on_gpu(device::driver_version()),
            cuda: on_gpu(device::runtime_version().map(|version| version.to_string())),
            threads: tch::get_num_threads(),
            host: first_line("/proc/sys/kernel/hostname"),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: processor(),
        }
    }
}

/// The revision that the build was told, else that of the checkout that this program was built in.
fn revision() -> Option<String> {
    if let Some(told) = option_env!("LONGQA_REVISION") {
        return Some(told.to_owned());
    }
    let checkout = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let git = |arguments: &[&str]| git(&checkout, arguments);
    // A checkout that merely contains the source's folder is another project's.
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?) != checkout.canonicalize().ok()? {
        return None;
    }
    let revision = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { revision } else { format!("{revision}-dirty") })
}

fn git(checkout: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(checkout).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn first_line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.to_owned())
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_gpus_were_used_is_read() {
        let now = Provenance::gather(Device::Cpu);
        assert_eq!((now.device.as_str(), &now.driver, &now.cuda), ("cpu", &None, &None));
        let mut before = serde_json::to_value(&now).unwrap();
        for key in ["driver", "cuda"] {
            before.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(serde_json::from_value::<Provenance>(before).unwrap(), now);
    }
}
