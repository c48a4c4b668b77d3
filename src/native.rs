//! Everything `unsafe`, behind safe functions; each block says why it is sound.

#![allow(unsafe_code)]
