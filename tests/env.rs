//! `longqa env` and `--device` as a user runs them, on machines with and without a GPU alike: the
//! driver and NVML are stand-ins, compiled here and put before those of the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use longqa::digest::Digest;
use longqa::experiment::manifest::Measures;
use longqa::experiment::meter::Meter;
use longqa::{device, native};
use tch::Device;
use tempfile::TempDir;

/// One GPU unless `GPUS` says otherwise, and a driver for CUDA 13.0 unless `CUDA` does.
const DRIVER: &str = r#"
#include <cstddef>
#include <cstring>
#ifndef CUDA
#define CUDA 13000
#endif
#ifndef GPUS
#define GPUS 1
#endif
extern "C" {
int cuDriverGetVersion(int *version) { *version = CUDA; return 0; }
int cuInit(unsigned) { return GPUS ? 0 : 100; }
int cuDeviceGetCount(int *count) { *count = GPUS; return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return number < GPUS ? 0 : 101; }
int cuDeviceGetName(char *name, int, int) { std::strcpy(name, "NVIDIA Nothing"); return 0; }
int cuDeviceGetPCIBusId(char *id, int, int) { std::strcpy(id, "0000:3B:00.0"); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int) { *bytes = size_t(3) << 29; return 0; }
int cuGetErrorString(int, const char **words) { *words = "no such thing"; return 0; }
}
"#;

/// Consumes a joule and a half between any two looks.
const NVML: &str = r#"
#include <cstring>
extern "C" {
int nvmlInit_v2() { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned) { std::strcpy(version, "580.65.06"); return 0; }
const char *nvmlErrorString(int) { return "no such GPU"; }
int nvmlDeviceGetHandleByPciBusId_v2(const char *id, void **device) {
  *device = nullptr;
  return std::strcmp(id, "0000:3B:00.0") == 0 ? 0 : 6;
}
int nvmlDeviceGetTotalEnergyConsumption(void *, unsigned long long *millijoules) {
  static unsigned long long consumed = 7000;
  *millijoules = consumed += 1500;
  return 0;
}
}
"#;

/// A folder with both stand-ins; `defines` as the compiler takes them.
fn driver(defines: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in [("libcuda.so.1", DRIVER), ("libnvidia-ml.so.1", NVML)] {
        let (library, file) = (folder.path().join(name), folder.path().join(name).with_extension("cpp"));
        fs::write(&file, source).unwrap();
        let compiled = Command::new("c++")
            .args(["-shared", "-fPIC"])
            .arg(format!("-Wl,-soname,{name}"))
            .args(defines)
            .arg("-o")
            .args([&library, &file])
            .status()
            .unwrap();
        assert!(compiled.success());
    }
    folder
}

/// A folder in which the dynamic linker finds a driver that it cannot open.
fn no_driver() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libcuda.so.1"), "").unwrap();
    folder
}

fn longqa(driver: &TempDir, arguments: &[&str]) -> Command {
    let libraries = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
    command
        .args(arguments)
        .env("LD_LIBRARY_PATH", format!("{}:{libraries}", driver.path().display()))
        .env("LONGQA_CACHE", "/nowhere/cache")
        .env("OMP_NUM_THREADS", "1")
        .env_remove("LONGQA_DEVICE")
        .env_remove("CUDA_VISIBLE_DEVICES")
        .env_remove("RUST_LOG");
    command
}

fn lines(mut command: Command) -> BTreeMap<String, String> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().map(|line| line.split_once(": ").unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A command that computes, and fails for want of a model once it has its device.
const ASK: [&str; 5] = ["ask", "--model", "/nowhere", "--context", "/nowhere"];

fn asked(driver: &TempDir, device: &[&str]) -> String {
    let arguments: Vec<&str> = ASK.iter().chain(&["Who?"]).chain(device).copied().collect();
    let output = longqa(driver, &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    words(&output)
}

#[test]
fn it_tells_versions_devices_threads_and_where_libtorch_and_the_cache_are() {
    let lines = lines(longqa(&no_driver(), &["env"]));
    assert_eq!(lines["longqa"], env!("CARGO_PKG_VERSION"));
    assert_eq!(lines["libtorch"], "2.11.0");
    assert!(Path::new(&lines["libtorch loaded from"]).is_file(), "{lines:?}");
    assert_eq!(lines["device"], "cpu");
    assert!(lines["cuda"].starts_with("not used: no NVIDIA driver: "), "{lines:?}");
    assert!(
        lines["attention"].starts_with("blocks (float32, tensorfloat32), blocks (bfloat16)"),
        "{lines:?}"
    );
    assert_eq!(lines["cuda of libtorch"], "13.0");
    assert_eq!(lines["driver"], "none");
    assert_eq!(lines["libtorch threads"], "1");
    assert!(lines["cores"].parse::<usize>().unwrap() >= 1);
    assert_eq!(lines["cache"], "/nowhere/cache");
    assert!(!Path::new("/nowhere").exists(), "it only tells");
}

#[test]
fn it_tells_what_the_program_was_built_of() {
    let lines = lines(longqa(&no_driver(), &["env"]));
    for file in ["Cargo.lock", "datasets.lock"] {
        let digest = Digest::of_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert_eq!(lines[&format!("sha256 of {file}")], digest.to_string());
    }
    // cargo sets the variables of the build for tests too.
    let told = option_env!("LONGQA_REVISION").filter(|revision| !revision.is_empty());
    assert_eq!(lines["revision"], told.unwrap_or("unknown"));
    assert!(lines["rustc"].starts_with("rustc 1."), "{lines:?}");
    assert!(lines["c++ compiler"].contains(char::is_numeric), "{lines:?}");
}

#[test]
fn its_json_says_what_its_lines_say() {
    let driver = driver(&["-DGPUS=2"]);
    let output = longqa(&driver, &["env", "--device", "cpu", "--json"]).output().unwrap();
    let object: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object, lines(longqa(&driver, &["env", "--device", "cpu"])));
    assert_eq!(object["cuda"], "not used: the CPU was asked for");
    assert_eq!(object["driver"], "580.65.06 (CUDA 13.0)");
    assert_eq!(object["cuda:1"], "NVIDIA Nothing, 1.5 GiB");
}

#[test]
fn auto_falls_back_to_the_cpu_and_says_why() {
    let without = asked(&no_driver(), &[]);
    assert!(without.contains("INFO computing on the CPU: no NVIDIA driver: "), "{without}");
    let hidden = asked(&driver(&["-DGPUS=0"]), &[]);
    assert!(hidden.contains("INFO computing on the CPU: no GPU is visible"), "{hidden}");
    let old = asked(&driver(&["-DCUDA=12080"]), &[]);
    assert!(old.contains("WARN computing on the CPU although there is an NVIDIA driver: "), "{old}");
}

#[test]
fn cuda_that_was_asked_for_and_cannot_be_used_is_an_error_with_the_reason() {
    let one = driver(&[]);
    for (driver, device, expected) in [
        (&no_driver(), "cuda", "--device cuda:0: no NVIDIA driver: "),
        (
            &driver(&["-DCUDA=12080"]),
            "cuda",
            "--device cuda:0: the NVIDIA driver is too old: expected one for CUDA 13.0, found one for CUDA 12.8",
        ),
        (&driver(&["-DGPUS=0"]), "cuda:1", "--device cuda:1: no GPU is visible"),
        (&one, "cuda:99", "--device cuda:99: expected a number below 1, as many GPUs are visible, found 99"),
    ] {
        let words = asked(driver, &["--device", device]);
        assert!(words.starts_with(&format!("longqa: {expected}")), "{words}");
    }
    let hidden = longqa(&driver(&["-DGPUS=0"]), &["env"]).env("CUDA_VISIBLE_DEVICES", "7").output().unwrap();
    let text = String::from_utf8(hidden.stdout).unwrap();
    assert!(text.contains("cuda: not used: no GPU is visible (CUDA_VISIBLE_DEVICES is `7`)"), "{text}");
}

/// Where the wheels that a CPU needs are all there is, as `scripts/libtorch` leaves it.
#[test]
fn a_library_that_cuda_lacks_is_named() {
    let driver = driver(&[]);
    let words = asked(&driver, &["--device", "cuda"]);
    if words.contains("CUDA did not start") {
        eprintln!("left out: the libraries that CUDA needs are all there");
        return;
    }
    assert!(words.starts_with("longqa: --device cuda:0: "), "{words}");
    assert!(words.contains("libtorch_cuda.so: cannot be loaded: lib"), "{words}");
    assert!(words.contains("cannot open shared object file"), "{words}");
    let fallen_back = asked(&driver, &[]);
    assert!(fallen_back.contains("WARN computing on the CPU"), "{fallen_back}");
}

#[test]
fn the_environment_says_the_device_too_and_the_flag_overrides_it() {
    let driver = no_driver();
    for (flag, expected) in
        [(&["env"][..], "not used: no NVIDIA driver"), (&["env", "--device", "cpu"], "not used: the CPU")]
    {
        let mut command = longqa(&driver, flag);
        command.env("LONGQA_DEVICE", "cuda:0");
        assert!(lines(command)["cuda"].starts_with(expected));
    }
    let output = longqa(&driver, &["env"]).env("LONGQA_DEVICE", "gpu").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("expected auto, cpu, cuda or cuda:N, found `gpu`"));
}

#[test]
fn check_fails_where_a_device_asked_for_cannot_be_used() {
    let (none, old) = (no_driver(), driver(&["-DCUDA=12080"]));
    for (driver, device, good) in
        [(&none, "auto", true), (&none, "cuda", false), (&old, "auto", false), (&old, "cpu", true)]
    {
        let output = longqa(driver, &["env", "--check", "--device", device]).output().unwrap();
        assert_eq!(output.status.success(), good, "{device}: {}", words(&output));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("libtorch: 2.11.0"),
            "it tells all the same"
        );
    }
    let output = longqa(&old, &["env", "--check"]).output().unwrap();
    assert!(words(&output).contains("it takes driver 580 or newer"), "{}", words(&output));
}

#[test]
fn what_computes_nothing_opens_no_device() {
    let score =
        ["score", "--task", "squad", "--gold", "/nowhere", "--predictions", "/nowhere", "--device", "cuda"];
    let output = longqa(&no_driver(), &score).output().unwrap();
    assert!(words(&output).starts_with("longqa: /nowhere: "), "{}", words(&output));
    let mut plan =
        longqa(&no_driver(), &["reproduce", "experiments/demo.toml", "--plan", "--device", "cuda"]);
    assert!(plan.output().unwrap().status.success());
}

#[test]
fn a_stage_on_a_gpu_is_told_what_energy_it_took() {
    let folder = driver(&[]);
    for library in ["libcuda.so.1", "libnvidia-ml.so.1"] {
        // Under that name already, the machine's own is not looked for.
        native::open_library(&folder.path().join(library)).unwrap();
    }
    let gpus = device::gpus().unwrap();
    assert_eq!(gpus[0].pci_bus_id, "0000:3B:00.0");
    assert_eq!(device::name(Device::Cuda(0)), "NVIDIA Nothing");
    let meter = Meter::start(Device::Cuda(0));
    let mut measures = Measures::new();
    meter.read_into(&mut measures);
    assert_eq!(measures["energy_joules"], 1.5);
    assert!(!measures.contains_key("peak_device_bytes"), "there is no CUDA in this process");
    let elsewhere = native::Gpu { pci_bus_id: "0000:00:00.0".into(), ..gpus[0].clone() };
    assert!(native::gpu_millijoules(&elsewhere).unwrap_err().contains("no such GPU"));

    let mut measures = Measures::new();
    Meter::start(Device::Cpu).read_into(&mut measures);
    assert!(measures.is_empty());
}
