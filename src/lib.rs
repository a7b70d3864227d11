//! Buildbot's build steps as a GraphQL API. ARCHITECTURE.md is the map.
// The futures of a server are nested deeply.
#![recursion_limit = "256"]

mod app;
mod auth;
mod cli;
mod clock;
mod config;
mod demo;
mod domain;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod graphql;
mod http;
mod log;
mod memory;
mod metrics;
mod rate_limit;
mod server;
mod service;
mod store;
pub mod testing;
mod watch;

pub use cli::main;
