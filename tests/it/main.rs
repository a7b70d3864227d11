//! One test binary. Each test runs the real server over a fresh database. Files are named by area.
#![expect(clippy::unwrap_used, reason = "a test may end in a panic")]
// The spans around statements nest futures deeper.
#![cfg_attr(feature = "otel", recursion_limit = "256")]

mod answer;
mod attach;
mod buildbot;
mod concurrency;
mod cursor;
mod encrypted;
mod fanout;
mod fault;
mod feed;
mod feed_filter;
mod feed_row;
mod feed_socket;
mod filter;
mod golden;
mod hostile;
mod http;
mod locked;
mod mutation;
mod nested;
mod operators;
mod page;
mod process;
mod protocol;
mod rates;
mod readme;
mod replay;
mod rest;
mod retention;
mod schema;
mod slow;
mod sse;
mod support;
mod tidy;
mod tls;
mod token;
mod trace;
mod unreadable;
