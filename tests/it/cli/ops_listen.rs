//! `--ops-listen`: an address of their own for operators' routes.

use std::net::{SocketAddr, TcpListener};

use buildbot_graphql::testing::check_flags;

use crate::support::{database::Database, process::Process};

/// A server that operators ask at a free port of this address.
async fn start(address: &str) -> (Database, Process, SocketAddr) {
    let free = TcpListener::bind(address).unwrap();
    let ops = free.local_addr().unwrap();
    drop(free);
    let database = Database::fresh().await;
    let process = Process::start(&database, &["--ops-listen", &ops.to_string()]).await;
    (database, process, ops)
}

async fn statuses(address: SocketAddr) -> Vec<u16> {
    let mut statuses = Vec::new();
    for path in ["healthz", "readyz", "metrics", "graphiql"] {
        let response = reqwest::get(format!("http://{address}/{path}"));
        statuses.push(response.await.unwrap().status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn operators_routes_have_an_address_of_their_own() {
    let (_database, process, ops) = start("127.0.0.1:0").await;
    assert_eq!(statuses(process.address).await, [200, 404, 404, 200]);
    assert_eq!(statuses(ops).await, [200, 200, 200, 404]);
    // By no foreign name there either.
    let client = reqwest::Client::new();
    let request = client.get(format!("http://{ops}/metrics"));
    let response = request.header("host", "evil.example").send().await.unwrap();
    assert_eq!(response.status(), 421);
}

#[tokio::test]
async fn they_are_asked_by_any_name_where_nothing_says_which_are_theirs() {
    let (_database, process, ops) = start("0.0.0.0:0").await;
    let status = async |address: SocketAddr, path: &str| {
        let request = reqwest::Client::new().get(format!("http://{address}{path}"));
        let request = request.header("host", "prometheus.example");
        request.send().await.unwrap().status().as_u16()
    };
    let ops = SocketAddr::from(([127, 0, 0, 1], ops.port()));
    assert_eq!(status(ops, "/metrics").await, 200);
    // The other address is this machine's alone, and has its own rule.
    assert_eq!(status(process.address, "/graphiql").await, 421);
}

#[test]
fn both_cannot_be_one_address() {
    let given = ["test", "--listen", "8020", "--ops-listen", "localhost:8020"];
    let refused = check_flags(&given).unwrap_err();
    assert!(refused.contains("--ops-listen"), "{refused}");
    assert!(check_flags(&["test", "--ops-listen", "unix:ops.sock"]).is_ok());
}
