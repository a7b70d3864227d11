//! Buildbot's build steps as a GraphQL API. ARCHITECTURE.md is the map; `testing` is what the tests see of it.
// The future that a server is lies deep in its own layers, and in those of the log.
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
mod metrics;
mod rate_limit;
mod service;
mod store;
pub mod testing;

pub use cli::main;
