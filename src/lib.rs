//! Buildbot's build steps as a GraphQL API.
//!
//! Imports only look down this list; each line may use those above it.
//! - [`model`], [`config`], [`clock`], [`metrics`]: values, rules, settings, time, what is measured
//! - [`error`]: the one error type
//! - [`store`]: the entities and the only SQL
//! - [`feed`]: from a committed change to waiting subscribers
//! - [`app`], [`auth`]: a server's state, and who is calling
//! - [`service`]: the writes
//! - [`graphql`], [`rest`]: the schema, and Buildbot's REST API
//! - [`http`]: the transports
//! - [`demo`], [`cli`]: simulated builds, the command line
//! - `fuzz`: what the fuzz targets call; not in a build that serves

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod error;
pub mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod graphql;
pub mod http;
pub mod metrics;
pub mod model;
pub mod rest;
pub mod service;
pub mod store;
