//! What operators have: names of requests, logs, metrics, readiness, backups, and what is in `packaging/`.

mod id;
