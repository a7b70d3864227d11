//! Variants of the header `Authorization`, and of other places for a token: whoever does not hold a
//! token gains nothing by them, and whoever does is taken for no more than it allows.

use buildbot_graphql::testing::Scope;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{WRITE, builders, create};
use crate::support::{TIMEOUT, server::Server, ws::Ws};

/// What becomes of a mutation, where callers without a token may read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It is done.
    Written,
    /// The caller is nobody, who may only read.
    Anonymous,
    /// The token is none.
    Refused,
    /// This is no HTTP request.
    Malformed,
}
use Outcome::{Anonymous, Malformed, Refused, Written};

/// Sends a mutation with these bytes as the lines of its head.
async fn outcome(server: &Server, target: &str, lines: &[u8]) -> Outcome {
    let body = json!({ "query": WRITE }).to_string();
    let start = format!("POST {target} HTTP/1.1\r\nHost: {}\r\n", server.address);
    let rest = format!(
        "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let request = [start.as_bytes(), lines, rest.as_bytes()].concat();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut bytes = Vec::new();
    let read = timeout(TIMEOUT, stream.read_to_end(&mut bytes)).await;
    read.expect("an answer").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    if head.starts_with("HTTP/1.1 400") || head.starts_with("HTTP/1.1 431") {
        return Malformed;
    }
    let body: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{text}: {e}"));
    match body["errors"][0]["extensions"]["code"].as_str() {
        None => Written,
        Some("FORBIDDEN") => Anonymous,
        Some("UNAUTHENTICATED") => Refused,
        Some(other) => panic!("{other}: {text}"),
    }
}

#[tokio::test]
async fn no_variant_of_a_header_gains_anything() {
    let server = Server::with_flags(&["--anonymous", "read"]).await;
    let t = create(&server, "t", Scope::Write).await;
    let hash = hex::encode(digest(&SHA256, t.as_bytes()));
    let upper = t.to_uppercase();
    let digits = &t["bbg_".len()..];
    let (long, longer) = ("x".repeat(9_000), "x".repeat(1_000_000));
    let zeros = "0".repeat(64);
    let table: &[(String, Outcome)] = &[
        (format!("Authorization: Bearer {t}"), Written),
        (format!("authorization: bearer {t}"), Written),
        (format!("AUTHORIZATION: BEARER {t}"), Written),
        (format!("Authorization:Bearer {t}"), Written),
        (format!("Authorization: \t Bearer {t} \t "), Written),
        (format!("Authorization: Bearer     {t}"), Written),
        (
            format!("Authorization:\r\nAuthorization: Bearer {t}"),
            Written,
        ),
        (format!("Authorization: Bearer\t{t}"), Refused),
        ("Authorization: Bearer".to_owned(), Refused),
        ("Authorization: Bearer \t".to_owned(), Refused),
        (format!("Authorization: Bearer {t}, Bearer {t}"), Refused),
        (format!("Authorization: Bearer {t},"), Refused),
        (format!("Authorization: Bearer {t} {t}"), Refused),
        (format!("Authorization: Bearer Bearer {t}"), Refused),
        (format!("Authorization: Bearer \"{t}\""), Refused),
        (format!("Authorization: Bearer token=\"{t}\""), Refused),
        (format!("Authorization: Bearer {t}="), Refused),
        (format!("Authorization: Bearer {upper}"), Refused),
        (format!("Authorization: Bearer {digits}"), Refused),
        (format!("Authorization: Bearer {}", &t[..67]), Refused),
        (format!("Authorization: Bearer {t}0"), Refused),
        (format!("Authorization: Bearer {t}%00"), Refused),
        (format!("Authorization: Bearer bbg_{hash}"), Refused),
        (format!("Authorization: Bearer {hash}"), Refused),
        (format!("Authorization: Bearer bbg_{zeros}"), Refused),
        (
            format!("Authorization: Bearer bbg_{}", "٣".repeat(32)),
            Refused,
        ),
        ("Authorization: Bearer bbg_' OR '1'='1".to_owned(), Refused),
        ("Authorization: Bearer null".to_owned(), Refused),
        (format!("Authorization: Bearer {long}"), Refused),
        (format!("Authorization: Bearer {longer}"), Malformed),
        ("Authorization: Basic dXNlcjpwYXNz".to_owned(), Refused),
        (format!("Authorization: Token {t}"), Refused),
        (format!("Authorization: BearerX {t}"), Refused),
        (format!("Authorization: {t}"), Refused),
        (
            format!("Authorization: Bearer {t}\r\nAuthorization: Bearer {t}"),
            Refused,
        ),
        (
            format!("Authorization: Bearer {t}\r\nauthorization: Basic eA=="),
            Refused,
        ),
        (
            format!("Authorization: Bearer x\r\nAuthorization: Bearer {t}"),
            Refused,
        ),
        (format!("Authorization: Bearer {t}\0"), Malformed),
        (format!("Authorization: Bearer\r\n {t}"), Malformed),
        (format!("Authorization : Bearer {t}"), Malformed),
        ("Authorization:".to_owned(), Anonymous),
        ("Authorization: \t".to_owned(), Anonymous),
        (format!("Proxy-Authorization: Bearer {t}"), Anonymous),
        (format!("X-Authorization: Bearer {t}"), Anonymous),
        (format!("Authorization_: Bearer {t}"), Anonymous),
        (
            format!("Cookie: Authorization=Bearer {t}; token={t}"),
            Anonymous,
        ),
        (
            "X-Forwarded-User: admin\r\nX-Remote-User: admin".to_owned(),
            Anonymous,
        ),
        ("X-Accept: all".to_owned(), Anonymous),
    ];
    for (lines, expected) in table {
        let before = builders(&server).await;
        let found = outcome(&server, "/graphql", lines.as_bytes()).await;
        let shown = lines.chars().take(120).collect::<String>();
        assert_eq!(found, *expected, "{shown:?}");
        assert!(found == Written || builders(&server).await == before);
    }
    for (bytes, expected) in [
        (&b"Authorization: Bearer \xff"[..], Refused),
        (&b"Authorization: \xffBearer x"[..], Refused),
        (&b"Authorization: Bearer \xc3\x28"[..], Refused),
        (&b"Authorization: Bearer x\x01"[..], Malformed),
        (&b"Authorization: Bearer x\x7f"[..], Malformed),
    ] {
        assert_eq!(
            outcome(&server, "/graphql", bytes).await,
            expected,
            "{bytes:?}"
        );
    }
    for parameter in ["access_token", "token", "Authorization", "authorization"] {
        let target = format!("/graphql?{parameter}={t}");
        let found = outcome(&server, &target, b"X-Accept: all").await;
        assert_eq!(found, Anonymous, "{parameter}");
    }
    assert_eq!(builders(&server).await, 1);
}

/// The token of `connection_init` counts where both are given, whichever allows more.
#[tokio::test]
async fn of_two_tokens_of_a_socket_that_of_its_payload_counts() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let reading = create(&server, "reading", Scope::Read).await;
    let writing = create(&server, "writing", Scope::Write).await;
    for (header, payload, may_write) in [
        (
            &writing,
            json!({ "authorization": format!("Bearer {reading}") }),
            false,
        ),
        (
            &writing,
            json!({ "headers": { "AUTHORIZATION": reading } }),
            false,
        ),
        (&reading, json!({ "Authorization": writing }), true),
        (&writing, json!({ "Authorisation": reading }), true),
    ] {
        let header = format!("Bearer {header}");
        let mut ws = Ws::open_as(server.address, "graphql-transport-ws", Some(&header))
            .await
            .unwrap();
        ws.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(ws.receive().await["type"], "connection_ack", "{payload}");
        ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": WRITE } }))
            .await;
        let answer = ws.receive().await;
        let is_written = answer["payload"]["data"]["findBuilder"].is_object();
        assert_eq!(is_written, may_write, "{payload}: {answer}");
    }
    for bad in ["\u{0}", " x", ",", "=", "\u{3000}x"] {
        let header = format!("Bearer {writing}");
        let mut ws = Ws::open_as(server.address, "graphql-transport-ws", Some(&header))
            .await
            .unwrap();
        let payload = json!({ "authorization": format!("Bearer {writing}{bad}") });
        ws.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(ws.close_code().await, Some(4403), "{bad:?}");
    }
}
