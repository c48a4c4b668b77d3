//! With what and where results are made.

use std::fs;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::built::Build;
use crate::device;

/// The program, the machine and the libraries behind a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The program.
    #[serde(flatten)]
    pub build: Build,
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

impl Provenance {
    /// What can be learned here and now. `device` is what stages compute on.
    pub fn gather(device: Device) -> Self {
        let on_gpu = |told: Option<String>| told.filter(|_| device.is_cuda());
        Self {
            build: Build::of_this_program(),
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
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::digest::Digest;

    #[test]
    fn what_older_programs_wrote_is_read() {
        let before = json!({
            "longqa": "0.1.0", "revision": "0123abc-dirty", "libtorch": "2.11.0", "device": "cpu", "threads": 2,
            "host": "a", "platform": "linux x86_64", "processor": null,
        });
        let read: Provenance = serde_json::from_value(before).unwrap();
        let build = Build {
            version: "0.1.0".into(),
            revision: Some("0123abc-dirty".into()),
            rustc: None,
            cxx: None,
            cargo_lock: None,
            datasets_lock: None,
            libtorch: "2.11.0".into(),
        };
        assert_eq!((read.build, read.driver, read.cuda, read.threads), (build, None, None, 2));
    }

    #[test]
    fn what_is_written_is_read_and_says_what_lay_in_the_source() {
        let now = Provenance::gather(Device::Cpu);
        assert_eq!((now.device.as_str(), &now.driver, &now.cuda), ("cpu", &None, &None));
        let written = serde_json::to_value(&now).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (key, file) in
            [("cargo_lock_sha256", "Cargo.lock"), ("built_in_datasets_lock_sha256", "datasets.lock")]
        {
            assert_eq!(written[key], Digest::of_file(&root.join(file)).unwrap().to_string());
        }
        assert_eq!(serde_json::from_value::<Provenance>(written).unwrap(), now);
    }
}
