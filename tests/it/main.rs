//! One test binary. Each test runs the real server over a fresh database. Files are named by area.
#![expect(clippy::unwrap_used, reason = "a test may end in a panic")]
#![expect(clippy::too_many_lines, reason = "a test is a list of cases")]
// The spans around statements nest futures deeper.
#![cfg_attr(feature = "otel", recursion_limit = "256")]

mod attach;
mod backup;
mod cache;
mod cli;
mod concurrency;
mod database_file;
mod database_tls;
mod deferral;
mod demo;
mod fairness;
mod fault;
mod federation;
mod feed;
mod filter;
mod held;
mod http;
mod http2;
mod idempotency;
mod inline_reads;
mod limits;
mod loader;
mod log_text;
mod log_writing;
mod master;
mod memory;
mod multipart;
mod mutation;
mod nodes;
mod observability;
mod packaging;
mod pagination;
mod panic;
mod plain_selection;
mod pooler;
mod rate_limit;
mod readme;
mod repeated_requests;
mod response_shape;
mod rest;
mod schema;
mod shared_lookups;
mod sse;
mod statistics;
mod support;
mod tidy;
mod tls;
mod token;
mod traced_calls;
mod unreadable_rows;
mod watch;
mod websocket;
