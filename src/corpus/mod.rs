//! From bytes to records: one file per data set.
