//! From names in `datasets.lock` to verified bytes on disk.
