//! From runs to tables.
