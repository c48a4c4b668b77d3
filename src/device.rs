//! Where tensors live: what `--device` asks for, and what this machine has.
//!
//! The program links to libtorch's CPU half alone. The CUDA half, `libtorch_cuda.so`, is opened here, where
//! libtorch itself was loaded from, if a driver and a GPU are there: machines without them neither have
//! the libraries that it needs nor wait for it. That must come before libtorch's first thought of
//! devices, since it looks for its CUDA half once.
//!
//! None of this has run on a GPU yet. Without one it was tried up to CUDA's first call to the driver.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tch::{Device, TchError};

use crate::native;
pub use crate::native::Gpu;
use crate::process;

/// What `--device` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first GPU if CUDA can be used, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of that number; that it cannot be used is an error.
    Cuda(usize),
}

/// Why CUDA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// `--device` is none that there could be.
    #[error("expected auto, cpu, cuda or cuda:N, found `{found}`")]
    Unknown {
        /// What it is.
        found: String,
    },
    /// The driver's library cannot be opened.
    #[error("no NVIDIA driver: {reason}")]
    NoDriver {
        /// The dynamic linker's words.
        reason: String,
    },
    /// The driver is there and a call to it failed.
    #[error("the NVIDIA driver failed: {reason}")]
    Driver {
        /// The call and the driver's words.
        reason: String,
    },
    /// The driver is older than libtorch's CUDA.
    #[error(
        "the NVIDIA driver is too old: expected one for CUDA {expected}, found one for CUDA {found}{}",
        first_driver(expected)
    )]
    OldDriver {
        /// The CUDA that libtorch is built for.
        expected: CudaVersion,
        /// The newest that the driver runs.
        found: CudaVersion,
    },
    /// The driver shows no GPU.
    #[error("no GPU is visible{}", hidden_by(.visible))]
    NoGpu {
        /// `CUDA_VISIBLE_DEVICES`, if it is set.
        visible: Option<String>,
    },
    /// There are fewer GPUs than the number asks for.
    #[error("expected a number below {count}, as many GPUs are visible, found {asked}")]
    OutOfRange {
        /// The number asked for.
        asked: usize,
        /// How many GPUs there are.
        count: usize,
    },
    /// This libtorch has no CUDA half.
    #[error("{}: no such file; this libtorch was built without CUDA", path.display())]
    WithoutCuda {
        /// Where it would be.
        path: PathBuf,
    },
    /// libtorch's CUDA half cannot be opened, mostly for a library that it needs.
    #[error("{}: cannot be loaded: {reason}", path.display())]
    NotLoadable {
        /// The CUDA half.
        path: PathBuf,
        /// The dynamic linker's words, which name the library.
        reason: String,
    },
    /// CUDA did not start.
    #[error("CUDA did not start: {0}")]
    NotStarted(#[from] TchError),
}

fn hidden_by(visible: &Option<String>) -> String {
    visible.as_ref().map_or_else(String::new, |value| format!(" (CUDA_VISIBLE_DEVICES is `{value}`)"))
}

/// The driver's own number is the one that users know.
fn first_driver(cuda: &CudaVersion) -> &'static str {
    match cuda.major() {
        12 => "; it takes driver 525 or newer",
        13 => "; it takes driver 580 or newer",
        _ => "",
    }
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown { found: text.to_owned() };
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => number.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Choice {
    /// Makes ready what was asked for, and logs what became of `auto`. Call it before anything else of
    /// libtorch that could ask for devices.
    pub fn open(self) -> Result<Device, DeviceError> {
        let number = match self {
            Self::Cpu => return Ok(Device::Cpu),
            Self::Auto => 0,
            Self::Cuda(number) => number,
        };
        match (open_cuda(number), self) {
            (Ok(gpu), _) => {
                tracing::info!("computing on cuda:{number}, {}", gpu.name);
                Ok(Device::Cuda(number))
            }
            (Err(error @ (DeviceError::NoDriver { .. } | DeviceError::NoGpu { .. })), Self::Auto) => {
                tracing::info!("computing on the CPU: {error}");
                Ok(Device::Cpu)
            }
            (Err(error), Self::Auto) => {
                tracing::warn!("computing on the CPU although there is an NVIDIA driver: {error}");
                Ok(Device::Cpu)
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Opens libtorch's CUDA half and starts it on the GPU of that number.
pub fn open_cuda(number: usize) -> Result<Gpu, DeviceError> {
    let gpus = gpus()?;
    let count = gpus.len();
    let gpu = gpus.into_iter().nth(number).ok_or(DeviceError::OutOfRange { asked: number, count })?;
    let folder = process::loaded_library("libtorch_cpu.so");
    load_cuda_half(folder.as_deref().and_then(Path::parent).unwrap_or(Path::new("")))?;
    native::use_gpu(number)?;
    native::allow_tf32(false)?;
    Ok(gpu)
}

/// The GPUs that this process may use, at least one.
pub fn gpus() -> Result<Vec<Gpu>, DeviceError> {
    let found = native::driver_cuda().map_err(|reason| DeviceError::NoDriver { reason })?;
    let found = CudaVersion(found);
    // A driver runs every CUDA of its own major version, newer minor ones too.
    if let Some(expected) = runtime_version()
        && found.major() < expected.major()
    {
        return Err(DeviceError::OldDriver { expected, found });
    }
    let gpus = native::gpus().map_err(|reason| DeviceError::Driver { reason })?;
    match gpus.is_empty() {
        true => Err(DeviceError::NoGpu { visible: env::var("CUDA_VISIBLE_DEVICES").ok() }),
        false => Ok(gpus),
    }
}

fn load_cuda_half(folder: &Path) -> Result<(), DeviceError> {
    let path = folder.join("libtorch_cuda.so");
    if !path.exists() {
        return Err(DeviceError::WithoutCuda { path });
    }
    native::open_library(&path).map_err(|reason| DeviceError::NotLoadable { path, reason })
}

/// The CUDA that this libtorch was built for.
pub fn runtime_version() -> Option<CudaVersion> {
    native::runtime_cuda().map(CudaVersion)
}

/// The driver's version, and the newest CUDA that it runs; none without a driver.
pub fn driver_version() -> Option<String> {
    let cuda = CudaVersion(native::driver_cuda().ok()?);
    let version = native::driver_version().unwrap_or_else(|_| "unknown version".to_owned());
    Some(format!("{version} (CUDA {cuda})"))
}

/// `cpu`, or the GPU's name.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(number) => {
            let gpu = gpus().ok().and_then(|gpus| gpus.into_iter().nth(number));
            gpu.map_or_else(|| format!("cuda:{number}"), |gpu| gpu.name)
        }
        other => format!("{other:?}"),
    }
}

/// A version of CUDA in NVIDIA's numbering: 13000 is 13.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaVersion(i32);

impl CudaVersion {
    fn major(self) -> i32 {
        self.0 / 1000
    }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.0 % 1000 / 10)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_choice_is_one_of_four_words() {
        for (text, expected) in [
            ("auto", Choice::Auto),
            ("cpu", Choice::Cpu),
            ("cuda", Choice::Cuda(0)),
            ("cuda:0", Choice::Cuda(0)),
            ("cuda:7", Choice::Cuda(7)),
        ] {
            let choice: Choice = text.parse().unwrap();
            assert_eq!(choice, expected);
            assert_eq!(choice.to_string().parse::<Choice>().unwrap(), choice);
        }
        for text in ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:0:1", "cpu:0", "auto:0"] {
            let error = text.parse::<Choice>().unwrap_err().to_string();
            assert_eq!(error, format!("expected auto, cpu, cuda or cuda:N, found `{text}`"));
        }
    }

    #[test]
    fn a_cuda_half_that_is_missing_or_broken_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libtorch_cuda.so");
        let missing = load_cuda_half(folder.path()).unwrap_err();
        assert!(matches!(&missing, DeviceError::WithoutCuda { path: found } if *found == path), "{missing}");
        fs::write(&path, "no library").unwrap();
        match load_cuda_half(folder.path()) {
            Err(DeviceError::NotLoadable { path: found, reason }) => {
                assert_eq!(found, path);
                assert!(reason.contains("libtorch_cuda.so: file too short"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_cuda_of_libtorch_is_known_without_a_gpu() {
        assert_eq!(runtime_version().unwrap().to_string(), "13.0");
        assert_eq!(CudaVersion(12080).to_string(), "12.8");
    }
}
