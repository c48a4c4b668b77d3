//! `longqa fetch` and `longqa lock` over real HTTP on loopback, against a server that misbehaves in
//! every way we know of, and against real files.

mod http;
mod lock_command;
mod mirrors;
mod program;
mod resuming;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod unpacking;
#[cfg(unix)]
mod wheels;
mod workbench;
