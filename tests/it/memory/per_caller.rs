//! What one caller may hold of the server's memory: beyond it the caller waits or is refused, and
//! others notice nothing.

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{check_returned, leave_unread, long_answer};
use crate::support::{server::Server, wait_until};

/// A server that takes addresses from a header, and of which a caller may hold so many bytes.
async fn server(max: &str) -> Server {
    let flags = ["--anonymous", "write", "--trusted-proxy", "127.0.0.1"];
    let flags = [&flags[..], &["--max-memory-bytes-per-caller", max]];
    Server::with_flags(&flags.concat()).await
}

/// Begins to send a body from this address.
async fn begin_body(server: &Server, address: &str, part: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    let length = 2 * part.len();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         X-Forwarded-For: {address}\r\nContent-Length: {length}\r\n\r\n{part}"
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp
}

/// Checks that an operation was refused for what its caller would hold.
fn check_limit(error: &Value) {
    let (extensions, limit) = (&error["extensions"], "max-memory-bytes-per-caller");
    assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{error:#}");
    assert_eq!(extensions["limit"], limit, "{error:#}");
}

#[tokio::test]
async fn unread_answers_hold_up_their_caller_alone() {
    let server = server("2000000").await;
    let unread = leave_unread(&server, "X-Forwarded-For: 192.0.2.1").await;
    wait_until(async || server.handle.memory_held() >= 1_000_000).await;
    // There would not be room for another, although what it is made of is small.
    let (busy, other) = (server.client_at("192.0.2.1"), server.client_at("192.0.2.2"));
    let long = long_answer();
    let query = long["query"].as_str().unwrap();
    let answer = busy.execute(query, json!({})).await;
    assert_eq!(answer["data"], json!(null));
    check_limit(&answer["errors"][0]);
    assert_eq!(answer["errors"][0]["extensions"]["retryAfter"], 1);
    busy.data("{ __typename }", json!({})).await;
    other.data(query, json!({})).await;
    drop(unread);
    check_returned(&server).await;
    busy.data(query, json!({})).await;
}

#[tokio::test]
async fn bodies_that_are_not_all_there_are_bounded_by_caller() {
    let server = server("1000000").await;
    let part = " ".repeat(100_000);
    let _first = begin_body(&server, "192.0.2.1", &part).await;
    let _second = begin_body(&server, "192.0.2.1", &part).await;
    wait_until(async || server.handle.memory_held() >= 800_000).await;
    let body = json!({ "query": format!("{{ __typename }}{part}") });
    let send = async |address| {
        let client = server.client_at(address);
        let request = client.http.post(&client.url).json(&body);
        request.send().await.unwrap()
    };
    let refused = send("192.0.2.1").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    let refused: Value = refused.json().await.unwrap();
    check_limit(&refused["errors"][0]);
    assert_eq!(send("192.0.2.2").await.status(), 200);
}

/// A server with 100 steps that take 100,000 bytes together, of which a caller may hold fewer.
async fn with_long_steps() -> Server {
    let server = server("60000").await;
    let client = server.client();
    let build = client.add_build("b").await;
    for n in 0..100 {
        client.new_step(build, &format!("s{n}")).await;
    }
    let set = format!("UPDATE steps SET state_string = '{}'", "x".repeat(1_000));
    server.sql().await.run(&set).await;
    server
}

#[tokio::test]
async fn rows_count_while_they_are_read() {
    let server = with_long_steps().await;
    let client = server.client();
    // In one statement of all, and in one of a build's.
    for query in [
        "{ steps(first: 100) { nodes { number } } }",
        "{ build(buildid: 1) { steps { number } } }",
    ] {
        let answer = client.execute(query, json!({})).await;
        check_limit(&answer["errors"][0]);
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("60000"), "{message}");
    }
    client
        .data("{ steps(first: 40) { nodes { number } } }", json!({}))
        .await;
    let url = format!("http://{}/api/v2/builds/1/steps", server.address);
    let get = async |query: &str| {
        client
            .http
            .get(format!("{url}{query}"))
            .send()
            .await
            .unwrap()
    };
    // Not 503: it would be as much at any other time.
    assert_eq!(get("").await.status(), 400);
    // Of rows and of the text that is made of them.
    assert_eq!(get("?limit=25").await.status(), 200);
    check_returned(&server).await;
}

#[tokio::test]
async fn a_mutation_whose_rows_are_too_many_says_that_it_was_written() {
    let server = with_long_steps().await;
    let mutation = "mutation { setStepStateString(stepid: 1, stateString: \"new\") \
                    { step { build { steps { number } } } } }";
    let answer = server.client().execute(mutation, json!({})).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "OUTCOME_UNKNOWN", "{answer:#}");
    let query = "{ step(stepid: 1) { stateString } }";
    let step = server.client().data(query, json!({})).await;
    assert_eq!(step["step"]["stateString"], "new");
}
