//! Buildbot's build steps as a GraphQL API.
//!
//! Imports only look down this list; each line may use those above it.
//! - [`model`], [`config`], [`clock`], [`metrics`], [`log`]: values, rules, settings, time, what is measured and logged
//! - [`error`]: the one error type
//! - [`store`]: the entities and the only SQL
//! - [`feed`]: from a committed change to waiting subscribers
//! - [`app`], [`auth`], [`rates`]: a server's state, who is calling, and how much they may take
//! - [`service`]: the writes
//! - [`graphql`], [`rest`]: the schema, and Buildbot's REST API
//! - [`http`]: the transports
//! - [`demo`], [`cli`]: simulated builds, the command line

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod error;
pub mod feed;
pub mod graphql;
pub mod http;
pub mod log;
pub mod metrics;
pub mod model;
pub mod rates;
pub mod rest;
pub mod service;
pub mod store;
