//! Commits that are carried out while their answer is lost on the way. An SQLite file has no way
//! to lose one on.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    time::sleep,
};
use url::Url;

use crate::support::{
    TIMEOUT,
    client::Client,
    database::{Database, Kind, kind},
    process::Process,
    sql::Sql,
};

const NEW: &str = "mutation($b: Int!) { newStep(buildid: $b, name: \"compile\") { cursor step { stepid name } } }";

/// What happens to a connection whose commit was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It ends.
    Closed,
    /// It stays open, and nothing comes any more.
    Silent,
}

/// A way to the database that loses the answers to some commits.
struct LossyProxy {
    address: SocketAddr,
    /// How many of the next commits lose their answers.
    to_lose: Arc<AtomicUsize>,
}

impl LossyProxy {
    async fn to(database: SocketAddr, loss: Loss) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let to_lose = Arc::new(AtomicUsize::new(0));
        let left = to_lose.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(database).await.unwrap();
                tokio::spawn(forward(client, server, left.clone(), loss));
            }
        });
        Self { address, to_lose }
    }
}

/// Forwards until an end closes, or until a commit that loses its answer.
async fn forward(mut client: TcpStream, mut server: TcpStream, left: Arc<AtomicUsize>, loss: Loss) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        select! {
            Ok(length @ 1..) = client.read(&mut asked) => {
                let request = &asked[..length];
                server.write_all(request).await.unwrap();
                // At its end: sessions begin with READ COMMITTED.
                let is_commit = request.ends_with(b"COMMIT") || request.ends_with(b"COMMIT\0");
                let one_less = |n: usize| n.checked_sub(1);
                if is_commit && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                    // The commit is carried out by the time it is answered.
                    assert!(server.read(&mut answered).await.unwrap() > 0);
                    if loss == Loss::Silent {
                        sleep(TIMEOUT).await;
                    }
                    return;
                }
            }
            Ok(length @ 1..) = server.read(&mut answered) => {
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

/// A server whose way to its database loses commits, its build, and that way; `None` on SQLite.
async fn lossy(loss: Loss) -> Option<(Database, Process, Client, i64, LossyProxy)> {
    if kind() == Kind::Sqlite {
        return None;
    }
    let database = Database::fresh().await;
    let mut url: Url = database.url.parse().unwrap();
    let host: IpAddr = url.host_str().unwrap().parse().unwrap();
    let direct = SocketAddr::new(host, url.port().unwrap());
    let proxy = LossyProxy::to(direct, loss).await;
    url.set_port(Some(proxy.address.port())).unwrap();
    // The proxy has to read what it forwards.
    url.set_query(Some(match kind() {
        Kind::Mariadb => "ssl-mode=disabled",
        _ => "sslmode=disable",
    }));
    let server = Process::start(&database.by(url.to_string()), &["--max-seconds", "30"]).await;
    let client = Client::new(server.address);
    let build = client.add_build("b").await;
    Some((database, server, client, build, proxy))
}

async fn new_step(client: &Client, build: i64, key: Option<&str>) -> Value {
    let mut body = json!({ "query": NEW, "variables": { "b": build } });
    body["extensions"] = json!({ "idempotencyKey": key });
    let response = client.http.post(&client.url).json(&body).send().await;
    response.unwrap().json().await.unwrap()
}

async fn steps(database: &Database) -> i64 {
    Sql::open(database)
        .await
        .number("SELECT COUNT(*) AS n FROM steps")
        .await
}

#[tokio::test]
async fn without_a_key_the_outcome_is_said_to_be_unknown() {
    for loss in [Loss::Closed, Loss::Silent] {
        let Some((database, _server, client, build, proxy)) = lossy(loss).await else {
            return;
        };
        proxy.to_lose.store(1, Ordering::SeqCst);
        let answer = new_step(&client, build, None).await;
        let error = &answer["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "OUTCOME_UNKNOWN",
            "{loss:?}: {answer:#}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("it is not known whether this is written"),
            "{message}"
        );
        assert!(message.contains("Idempotency-Key"), "{message}");
        // It is; and the server goes on.
        assert_eq!(steps(&database).await, 1);
        let next = new_step(&client, build, None).await;
        assert_eq!(
            next["data"]["newStep"]["step"]["name"], "compile_1",
            "{next:#}"
        );
    }
}

#[tokio::test]
async fn with_a_key_the_server_finds_out() {
    for loss in [Loss::Closed, Loss::Silent] {
        let Some((database, _server, client, build, proxy)) = lossy(loss).await else {
            return;
        };
        // The key's own commit, the mutation's, and of those that find out.
        for (key, losses) in [("one", 1), ("two", 2), ("three", 3)] {
            let before = steps(&database).await;
            proxy.to_lose.store(
                if loss == Loss::Silent { 2 } else { losses },
                Ordering::SeqCst,
            );
            let answer = new_step(&client, build, Some(key)).await;
            assert!(answer.get("errors").is_none(), "{loss:?}: {answer:#}");
            assert_eq!(steps(&database).await, before + 1, "{key}");
            assert_eq!(new_step(&client, build, Some(key)).await, answer);
            assert_eq!(steps(&database).await, before + 1, "{key}");
            if loss == Loss::Silent {
                // Each takes seconds.
                break;
            }
        }
    }
}
