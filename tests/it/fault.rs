//! Faults under load, and a checker that compares acknowledged writes with received events: every
//! acknowledged write is delivered once, in order, whichever process is killed, stopped or slow to
//! commit.

use std::{
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::time::sleep;

use self::load::Load;
use crate::support::{database::Database, process::Process};

mod cluster;
mod disk;
mod exactly_once;
mod kill;
mod late_commit;
mod load;
mod lost_commit;
mod pause;
mod postgres;
mod read_only_server;
mod reconnect;
mod writer;

/// A port that a server can reuse after a kill. It is outside of the range that the system assigns,
/// which might give it away meanwhile.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// An address of our own to serve at.
pub(crate) fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Starts a server as soon as the port is free.
pub(crate) async fn serve(address: SocketAddr, database: &Database, flags: &[&str]) -> Process {
    while TcpListener::bind(address).is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    Process::listen(&address.to_string(), database, flags).await
}
