//! Attacks that the server held against, so that it stays so.

mod injection;
mod log_injection;
mod smuggling;
