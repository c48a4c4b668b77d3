//! What Linux tells of this process under `/proc`: its memory, the libraries in it.

use std::fs;
use std::path::PathBuf;

/// The most memory that this process has held so far (`VmHWM`), in bytes; none where the system does
/// not say.
pub fn peak_resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Where the library of that file name was loaded from; none if it is not in this process.
pub fn loaded_library(file_name: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    // address, permissions, offset, device and inode stand before the path, which may hold spaces
    let paths = maps.lines().filter_map(|line| line.find('/').map(|start| &line[start..]));
    let mut found = paths.filter(|path| path.rsplit('/').next() == Some(file_name));
    found.next().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_once_held_stays_in_the_peak() {
        let before = peak_resident_bytes().unwrap();
        let bytes = vec![1u8; 64 << 20];
        assert_eq!(bytes.iter().filter(|byte| **byte == 1).count(), bytes.len());
        drop(bytes);
        assert!(peak_resident_bytes().unwrap() >= before.max(64 << 20));
    }

    #[test]
    fn libtorch_is_found_where_it_was_loaded_from() {
        assert!(tch::get_num_threads() > 0);
        let path = loaded_library("libtorch_cpu.so").unwrap();
        assert!(path.is_absolute() && path.is_file(), "{}", path.display());
        assert_eq!(loaded_library("libnone.so"), None);
    }
}
