//! A signal during work: running requests finish, acknowledged writes are kept, and sockets receive
//! a close code.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::sleep,
};

use crate::support::{
    client::Client,
    database::{Database, Kind, kind},
    process::Process,
    sql::Sql,
    ws::Ws,
};

const SOON: Duration = Duration::from_secs(10);
const NEW: &str =
    "mutation($b: Int!, $n: String!) { newStep(buildid: $b, name: $n) { step { name } } }";

#[tokio::test]
async fn running_requests_finish() {
    for signal in ["TERM", "INT"] {
        let database = Database::fresh().await;
        let mut server = Process::start(&database, &[]).await;
        let client = Client::new(server.address);
        let build = client.add_build("b").await;
        // While a foreign process locks the database, the writes have started and cannot end.
        let sql = Sql::open(&database).await;
        sql.block_writers().await;
        let writes: Vec<_> = (0..5)
            .map(|i| {
                let client = client.clone();
                tokio::spawn(async move {
                    client
                        .data(NEW, json!({ "b": build, "n": format!("s{i}") }))
                        .await
                })
            })
            .collect();
        sleep(Duration::from_secs(1)).await;
        server.signal(signal).await;
        sleep(Duration::from_millis(500)).await;
        sql.run("COMMIT").await;
        for (i, response) in join_all(writes).await.into_iter().enumerate() {
            assert_eq!(
                response.unwrap()["newStep"]["step"]["name"],
                format!("s{i}")
            );
        }
        let status = server.exit_status(SOON).await;
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
        assert_eq!(sql.number("SELECT COUNT(*) AS n FROM steps").await, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_are_kept_and_nothing_is_half_written() {
    let database = Database::fresh().await;
    let mut server = Process::start(&database, &[]).await;
    let client = Client::new(server.address);
    let build = client.add_build("b").await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                // Until the server stops responding.
                let mut answered = Vec::new();
                for i in 0.. {
                    let name = format!("w{writer}.{i}");
                    let Ok(response) = client
                        .try_execute(NEW, json!({ "b": build, "n": name }))
                        .await
                    else {
                        break;
                    };
                    if response.get("errors").is_none() {
                        answered.push(
                            response["data"]["newStep"]["step"]["name"]
                                .as_str()
                                .unwrap()
                                .to_owned(),
                        );
                    }
                }
                answered
            })
        })
        .collect();
    sleep(Duration::from_millis(500)).await;
    server.signal("TERM").await;
    let status = server.exit_status(SOON).await;
    assert_eq!(status.code(), Some(0), "{status}");

    let answered: Vec<String> = join_all(writers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    assert!(
        answered.len() > 16,
        "only {} writes were answered",
        answered.len()
    );
    let sql = Sql::open(&database).await;
    let steps = sql
        .rows("SELECT json_array(id, name) AS json FROM steps ORDER BY id")
        .await;
    let stored: Vec<&str> = steps.iter().map(|step| step[1].as_str().unwrap()).collect();
    let lost: Vec<&String> = answered
        .iter()
        .filter(|name| !stored.contains(&name.as_str()))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    // A step and its event are one write.
    let events = sql.rows("SELECT json_array(stepid, name) AS json FROM graphql_events WHERE noun = 4 AND kind = 1 ORDER BY id").await;
    assert_eq!(steps, events);
    if kind() == Kind::Sqlite {
        let check = "SELECT json_quote(integrity_check) AS json FROM pragma_integrity_check";
        assert_eq!(sql.rows(check).await, [Value::from("ok")]);
    }
}

/// A proxy keeps connections, and may send a request just as the server stops: none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn kept_connections_are_told_to_close_before_they_do() {
    let database = Database::fresh().await;
    let mut server = Process::start(&database, &[]).await;
    let clients: Vec<_> = (0..16)
        .map(|_| tokio::spawn(ask_until_told_to_close(server.address)))
        .collect();
    sleep(Duration::from_millis(300)).await;
    server.signal("TERM").await;
    for answers in join_all(clients).await {
        assert!(answers.unwrap() > 1);
    }
    let status = server.exit_status(SOON).await;
    assert_eq!(status.code(), Some(0), "{status}");
}

/// Sends one request after the other on one connection until an answer ends it, and returns how
/// many there were.
async fn ask_until_told_to_close(server: SocketAddr) -> usize {
    let mut stream = BufReader::new(TcpStream::connect(server).await.unwrap());
    for answers in 1.. {
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let (mut head, mut line) = (String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            let read = stream.read_line(&mut line).await.unwrap();
            assert_ne!(
                read, 0,
                "closed after {answers} requests, in the head {head:?}"
            );
            head += &line.to_lowercase();
        }
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let (_, rest) = head.split_once("content-length: ").unwrap();
        let (length, _) = rest.split_once('\r').unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        if head.contains("\r\nconnection: close\r\n") {
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            return answers;
        }
    }
    unreachable!("the server stops");
}

#[tokio::test]
async fn sockets_are_closed_with_going_away() {
    for signal in ["TERM", "INT"] {
        let database = Database::fresh().await;
        let mut server = Process::start(&database, &[]).await;
        let build = Client::new(server.address).add_build("b").await;
        let mut idle = Ws::connect(server.address).await;
        let mut busy = Ws::connect(server.address).await;
        busy.subscribe("(snapshot: true)").await;
        let mut old = Ws::open(server.address, "graphql-ws").await.unwrap();
        Client::new(server.address).new_step(build, "s").await;
        assert_eq!(busy.event().await["step"]["name"], "s");
        server.signal(signal).await;
        for (name, ws) in [("idle", &mut idle), ("busy", &mut busy), ("old", &mut old)] {
            assert_eq!(ws.close_code().await, Some(1_001), "{signal} {name}");
        }
        let status = server.exit_status(SOON).await;
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
    }
}
