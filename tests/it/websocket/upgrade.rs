//! The WebSocket upgrade, and operations in both subprotocols.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest, http::HeaderName},
};

use crate::support::{TIMEOUT, server::Server, ws::Ws};

/// The status of an upgrade request with these headers: 101 on success.
async fn upgrade(server: &Server, headers: &[(&'static str, &str)]) -> u16 {
    let mut request = format!("ws://{}/graphql", server.address)
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

const PROTOCOL: &str = "sec-websocket-protocol";

#[tokio::test]
async fn a_socket_needs_a_known_subprotocol() {
    let server = Server::start().await;
    for good in [
        "graphql-transport-ws",
        "graphql-ws",
        "soap, graphql-transport-ws",
        "graphql-ws, soap",
    ] {
        assert_eq!(upgrade(&server, &[(PROTOCOL, good)]).await, 101, "{good}");
    }
    for bad in ["soap", "graphql", "GRAPHQL-WS-2"] {
        assert_eq!(upgrade(&server, &[(PROTOCOL, bad)]).await, 400, "{bad}");
    }
    assert_eq!(upgrade(&server, &[]).await, 400);
}

/// The answer to a handshake with this line for the version.
async fn handshake(server: &Server, version: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: graphql-ws\r\n{version}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    let reading = stream.read_to_string(&mut response);
    timeout(TIMEOUT, reading).await.unwrap().unwrap();
    response
}

/// RFC 6455, section 4.2.2: the client learns which version to use.
#[tokio::test]
async fn a_handshake_of_another_version_learns_the_right_one() {
    let server = Server::start().await;
    for version in [
        "Sec-WebSocket-Version: 8\r\n",
        "Sec-WebSocket-Version: x\r\n",
        "",
    ] {
        let response = handshake(&server, version).await;
        assert!(response.starts_with("HTTP/1.1 400"), "{response}");
        let line = "sec-websocket-version: 13\r\n";
        assert!(response.contains(line), "{version}: {response}");
        assert!(response.contains("Sec-WebSocket-Version: 13 is needed"));
    }
}

/// Clients list subprotocols by preference, and some assume that the first one is used.
#[tokio::test]
async fn the_first_named_subprotocol_is_chosen() {
    let server = Server::start().await;
    for (offered, start, answer) in [
        ("graphql-transport-ws, graphql-ws", "subscribe", "next"),
        ("graphql-ws, graphql-transport-ws", "start", "data"),
        ("soap,graphql-ws", "start", "data"),
    ] {
        let mut ws = Ws::open(server.address, offered).await.unwrap();
        ws.send(json!({ "type": "connection_init" })).await;
        assert_eq!(ws.receive().await["type"], "connection_ack");
        let payload = json!({ "query": "{ __typename }" });
        ws.send(json!({ "id": "1", "type": start, "payload": payload }))
            .await;
        let mut message = ws.receive().await;
        if message["type"] == "ka" {
            message = ws.receive().await;
        }
        assert_eq!(message["type"], answer, "{offered}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_open_a_socket() {
    let server = Server::start().await;
    let own = format!("http://{}", server.address);
    let other_port = format!("http://{}:1", server.address.ip());
    let longer = format!("{own}.evil.example");
    let protocol = (PROTOCOL, "graphql-transport-ws");
    assert_eq!(upgrade(&server, &[protocol, ("origin", &own)]).await, 101);
    assert_eq!(upgrade(&server, &[protocol]).await, 101);
    for foreign in [
        "https://evil.example",
        "null",
        &other_port,
        &longer,
        "file://",
    ] {
        assert_eq!(
            upgrade(&server, &[protocol, ("origin", foreign)]).await,
            403,
            "{foreign}"
        );
    }
}

#[tokio::test]
async fn queries_and_mutations_work_over_a_socket() {
    let server = Server::start().await;
    let mut ws = server.ws().await;
    let mut ask = async |id: &str, query: &str, variables: Value| {
        let payload = json!({ "query": query, "variables": variables });
        ws.send(json!({ "id": id, "type": "subscribe", "payload": payload }))
            .await;
        let next = ws.receive().await;
        assert_eq!(
            (&next["type"], &next["id"]),
            (&json!("next"), &json!(id)),
            "{next:#}"
        );
        let complete = ws.receive().await;
        assert_eq!(
            (&complete["type"], &complete["id"]),
            (&json!("complete"), &json!(id))
        );
        next["payload"].clone()
    };
    let write = "mutation($n: String!) { findBuilder(name: $n) { builderid } }";
    assert_eq!(
        ask("w", write, json!({ "n": "b" })).await,
        json!({ "data": { "findBuilder": { "builderid": 1 } } })
    );
    let read = "query($n: String!) { builder(name: $n) { builderid } }";
    assert_eq!(
        ask("r", read, json!({ "n": "b" })).await,
        json!({ "data": { "builder": { "builderid": 1 } } })
    );
    let failed = ask(
        "f",
        "mutation { addBuild(builderid: 9) { build { number } } }",
        json!({}),
    )
    .await;
    assert_eq!(failed["errors"][0]["extensions"]["code"], "NOT_FOUND");
}

#[tokio::test]
async fn the_scope_applies_to_a_socket() {
    let server = Server::with_flags(&["--anonymous", "read"]).await;
    let mut ws = server.ws().await;
    let query = "mutation { findBuilder(name: \"b\") { builderid } }";
    ws.send(json!({ "id": "w", "type": "subscribe", "payload": { "query": query } }))
        .await;
    assert_eq!(ws.stream_error().await.0, "FORBIDDEN");
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM builders")
            .await,
        0
    );
}

#[tokio::test]
async fn the_legacy_subprotocol_starts_sends_data_and_stops() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut ws = Ws::open(server.address, "graphql-ws").await.unwrap();
    let mut message = async |sent: Option<Value>| {
        if let Some(sent) = sent {
            ws.send(sent).await;
        }
        loop {
            // Keep-alives may arrive at any time.
            let message = ws.receive().await;
            if message["type"] != "ka" {
                return message;
            }
        }
    };
    let ack = message(Some(json!({ "type": "connection_init", "payload": {} }))).await;
    assert_eq!(ack["type"], "connection_ack");
    // Subscribed after the first of three changes: the second is backfilled, and the others arrive
    // live.
    let (step, cursor) = client.new_step(build, "s").await;
    let query = format!(
        "subscription {{ stepEvents(after: \"{cursor}\") {{ cursor kind step {{ stepid }} }} }}"
    );
    let mut first = client.set_state(step, "one").await;
    let start = json!({ "id": "1", "type": "start", "payload": { "query": query } });
    let mut data = message(Some(start)).await;
    for state in ["two", "three"] {
        assert_eq!(
            (&data["type"], &data["id"]),
            (&json!("data"), &json!("1")),
            "{data:#}"
        );
        let event = json!({ "cursor": first, "kind": "UPDATED", "step": { "stepid": step } });
        assert_eq!(data["payload"]["data"]["stepEvents"], event);
        first = client.set_state(step, state).await;
        data = message(None).await;
    }
    let mut stopped = message(Some(json!({ "id": "1", "type": "stop" }))).await;
    while stopped["type"] == "data" {
        stopped = message(None).await;
    }
    assert_eq!(
        (&stopped["type"], &stopped["id"]),
        (&json!("complete"), &json!("1"))
    );
    let query = json!({ "id": "2", "type": "start", "payload": { "query": "{ __typename }" } });
    let answer = message(Some(query)).await;
    assert_eq!(answer["payload"]["data"], json!({ "__typename": "Query" }));
    assert_eq!(
        message(None).await,
        json!({ "type": "complete", "id": "2" })
    );
}
