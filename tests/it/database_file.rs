//! The SQLite file under a server: deleted, replaced, read-only, full of log, not to be opened.

mod gone;
mod not_opened;
mod private;
mod read_only;
mod write_ahead_log;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{client::Client, outlast_readiness, process::command};

const ADD: &str = "mutation { findBuilder(name: \"x\") { builderid } }";
const COUNT: &str = "{ builders { totalCount } }";

/// The status and the body of `/readyz`.
pub(crate) async fn ready(address: SocketAddr) -> (u16, Value) {
    outlast_readiness().await;
    let response = reqwest::get(format!("http://{address}/readyz"))
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn count(client: &Client) -> Value {
    client.data(COUNT, json!({})).await["builders"]["totalCount"].take()
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

/// The binary without root's right to read and write whatever it wants.
async fn bound_command() -> Command {
    let plain = command();
    let id = Command::new("id").arg("-u").output().await.unwrap();
    if id.stdout != b"0\n" {
        return plain;
    }
    let mut bound = Command::new("setpriv");
    bound
        .arg("--bounding-set=-dac_override,-dac_read_search")
        .arg(plain.as_std().get_program())
        .env("BUILDBOT_GRAPHQL_RATE_POINTS", "0")
        .kill_on_drop(true);
    bound
}

/// A copy of a Buildbot master's file, in a directory of its own.
fn master_file() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("state.sqlite");
    std::fs::copy(crate::master::sqlite::live(), &file).unwrap();
    (dir, file)
}
