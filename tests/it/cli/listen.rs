//! `--listen`: every way to write an address, several addresses at once, and Unix sockets.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener as StdUnixListener,
    },
    path::Path,
    process::Stdio,
};

use futures_util::{SinkExt, StreamExt};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, UnixStream},
    process::{Child, ChildStderr},
    time::timeout,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::run;
use crate::support::{
    TIMEOUT,
    process::{command, read_until_served},
};

/// A server that logs JSON, and where it listens.
struct Listening {
    child: Child,
    log: BufReader<ChildStderr>,
    addresses: Vec<String>,
    _dir: TempDir,
}

impl Listening {
    async fn start(listen: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = command()
            .args(["serve", "--listen", listen, "--log-format", "json"])
            .args(flags)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let addresses = read_until_served(&mut log, &mut String::new()).await;
        let addresses = addresses.split(' ').map(str::to_owned).collect();
        Self {
            child,
            log,
            addresses,
            _dir: dir,
        }
    }

    async fn stop(mut self) -> String {
        let pid = self.child.id().unwrap().to_string();
        let kill = tokio::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        assert!(kill.await.unwrap().success());
        let ended = timeout(TIMEOUT, self.child.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "{ended}");
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

async fn is_served(address: &str) -> bool {
    let url = format!("http://{address}/healthz");
    reqwest::get(url).await.is_ok_and(|got| got.status() == 200)
}

#[tokio::test]
async fn one_address_may_stand_for_several() {
    for (listen, wanted) in [
        ("127.0.0.1:0", &["127.0.0.1"][..]),
        ("[::1]:0", &["[::1]"]),
        ("localhost:0", &["127.0.0.1", "[::1]"]),
        ("0", &["127.0.0.1", "[::1]"]),
        (":0", &["[::]"]),
        ("*:0", &["[::]"]),
        ("0.0.0.0:0", &["0.0.0.0"]),
    ] {
        if !has_ipv6() && listen == "[::1]:0" {
            continue;
        }
        let server = Listening::start(listen, &[]).await;
        let hosts = |a: &String| a.rsplit_once(':').unwrap().0.to_owned();
        let got: Vec<_> = server.addresses.iter().map(hosts).collect();
        if has_ipv6() {
            assert_eq!(got, wanted, "{listen}");
        }
        let (_, port) = server.addresses[0].rsplit_once(':').unwrap();
        for host in ["127.0.0.1", "[::1]"] {
            let is_meant = got.iter().any(|g| g == host || g == "[::]");
            let is_meant = is_meant || (got == ["0.0.0.0"] && host == "127.0.0.1");
            let is_there = is_served(&format!("{host}:{port}")).await;
            assert_eq!(
                is_there,
                is_meant && (has_ipv6() || host != "[::1]"),
                "{listen} {host}"
            );
        }
    }
}

#[tokio::test]
async fn a_taken_port_leaves_no_database_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new.sqlite");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    for listen in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!(":{port}"),
        port.to_string(),
    ] {
        let (code, stdout, stderr) =
            run(&["serve", "--listen", &listen, "--database-url", &url]).await;
        assert_eq!((code, &*stdout), (Some(1), ""), "{listen}: {stderr}");
        let words = ["cannot listen on", &port.to_string(), "in use"];
        assert!(words.iter().all(|word| stderr.contains(word)), "{stderr}");
        assert!(!file.exists(), "{listen}");
    }
    // So do documents and certificates that cannot be read.
    for flags in [
        &["--documents", "none.json"][..],
        &["--tls-cert", "none.pem", "--tls-key", "none.pem"],
        &["--listen", "no-such-host.invalid:8020"],
    ] {
        let serve = ["serve", "--database-url", &url];
        let (code, _, stderr) = run(&[&serve[..], flags].concat()).await;
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(flags[1]) && !file.exists(), "{stderr}");
    }
}

/// The answer to a query over a Unix socket.
async fn ask(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let body = r#"{"query":"{ __typename }"}"#;
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(TIMEOUT, read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_unix_socket_is_served_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let listen = format!("unix:{}", path.display());
    let server = Listening::start(&listen, &["--trusted-proxy", "127.0.0.1"]).await;
    assert_eq!(server.addresses, [&*listen]);
    let file = fs::symlink_metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    let answer = ask(&path).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("Query"),
        "{answer}"
    );

    let mut request = "ws://localhost/graphql".into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let stream = UnixStream::connect(&path).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let init = Message::text(r#"{"type":"connection_init"}"#);
    socket.send(init).await.unwrap();
    let ack = timeout(TIMEOUT, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(ack.to_text().unwrap().contains("connection_ack"), "{ack}");
    drop(socket);

    let rest = server.stop().await;
    assert!(!path.exists(), "{rest}");
    for line in rest.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let listen = format!("unix:{}", path.display());
    let mut first = Listening::start(&listen, &[]).await;
    let inode = fs::symlink_metadata(&path).unwrap().ino();
    let database = dir.path().join("second.sqlite");
    let url = format!("sqlite://{}?mode=rwc", database.display());
    let (code, _, stderr) = run(&["serve", "--listen", &listen, "--database-url", &url]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains(&listen) && stderr.contains("in use"),
        "{stderr}"
    );
    assert!(!database.exists() && fs::symlink_metadata(&path).unwrap().ino() == inode);

    first.child.kill().await.unwrap();
    assert!(path.exists(), "a killed server leaves its file");
    let second = Listening::start(&listen, &[]).await;
    assert!(ask(&path).await.starts_with("HTTP/1.1 200"));
    second.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_a_stopping_server_does_not_own_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let listen = format!("unix:{}", path.display());
    let server = Listening::start(&listen, &[]).await;
    fs::remove_file(&path).unwrap();
    let _other = StdUnixListener::bind(&path).unwrap();
    server.stop().await;
    assert!(path.exists(), "another server's");

    let file = dir.path().join("letter.txt");
    fs::write(&file, "Dear friend").unwrap();
    let (code, _, stderr) = run(&["serve", "--listen", &format!("unix:{}", file.display())]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("not a socket"), "{stderr}");
    assert_eq!(fs::read(&file).unwrap(), b"Dear friend");
    let missing = format!("unix:{}", dir.path().join("no/x.sock").display());
    let (code, _, stderr) = run(&["serve", "--listen", &missing]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains(&missing) && stderr.contains("No such file"),
        "{stderr}"
    );
}
