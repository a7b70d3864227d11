//! One caller cannot take the server from others: what it may run, read and hear at once is
//! bounded, its statements take turns with theirs, and it pays for the time that they take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use buildbot_graphql::testing::{Clock, OnStatement, Scope};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, block_in_place},
    time::sleep,
};

use crate::support::{TIMEOUT, client::Client, server::Server, wait_until};

mod mutations;

/// Reads the table whose statements [`Held`] holds.
const SLOW: &str = "{ builders { totalCount } }";
/// Reads another.
const QUICK: &str = "{ steps { totalCount } }";

/// Holds statements on one table, as if they took long, until told to let them go.
#[derive(Clone, Default)]
struct Held {
    is_on: Arc<AtomicBool>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Held {
    /// Of statements whose text begins and goes on so.
    fn on_statement(&self, begins: &'static str, part: &'static str) -> OnStatement {
        let held = self.clone();
        Box::new(move |sql| {
            if !sql.starts_with(begins) || !sql.contains(part) || !held.is_on.load(Ordering::SeqCst)
            {
                return;
            }
            let now = held.now.fetch_add(1, Ordering::SeqCst) + 1;
            held.most.fetch_max(now, Ordering::SeqCst);
            // Moves this thread's other work to another thread.
            block_in_place(|| {
                while held.is_on.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(5));
                }
            });
            held.now.fetch_sub(1, Ordering::SeqCst);
        })
    }

    fn begin(&self) {
        self.is_on.store(true, Ordering::SeqCst);
    }

    fn end(&self) {
        self.is_on.store(false, Ordering::SeqCst);
    }

    async fn wait_for(&self, statements: usize) {
        wait_until(async || self.now.load(Ordering::SeqCst) == statements).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A test that fails must not leave threads behind.
        self.end();
    }
}

/// A server that takes addresses from a header, and what it holds of statements on builders.
async fn server(flags: &[&str]) -> (Server, Held) {
    server_holding(flags, "SELECT", "builders").await
}

async fn server_holding(
    flags: &[&str],
    begins: &'static str,
    part: &'static str,
) -> (Server, Held) {
    let held = Held::default();
    let all = ["--anonymous", "write", "--trusted-proxy", "127.0.0.1"];
    let watch = held.on_statement(begins, part);
    let flags = [&all[..], flags].concat();
    let server = Server::build(&flags, None, Clock::System, Some(watch)).await;
    (server, held)
}

async fn post(client: &Client, query: &str) -> Response {
    let body = json!({ "query": query });
    let request = client.http.post(&client.url).json(&body);
    request.send().await.unwrap()
}

fn send(client: &Client, query: &'static str) -> JoinHandle<Response> {
    let client = client.clone();
    tokio::spawn(async move { post(&client, query).await })
}

/// Each of these must be answered although others wait.
async fn expect_answers(server: &Server, client: &Client) {
    let answers = async {
        client.data(QUICK, json!({})).await;
        client.data("{ eventCursor }", json!({})).await;
        for path in ["api/v2/builds", "readyz"] {
            let url = format!("http://{}/{path}", server.address);
            let answer = client.http.get(url).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
    };
    let answered = tokio::time::timeout(TIMEOUT, answers).await;
    answered.expect("others are answered meanwhile");
}

async fn code_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    (status, body["errors"][0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_statements_of_one_caller_leave_readers_to_others() {
    let (server, held) = server(&["--max-seconds", "0", "--statement-seconds", "0"]).await;
    let token = server.handle.create_token("t", Scope::Read);
    let token = token.await.unwrap();
    held.begin();
    let greedy = server.client_at("192.0.2.1");
    let mut sent: Vec<_> = (0..24).map(|_| send(&greedy, SLOW)).collect();
    held.wait_for(2).await;
    expect_answers(&server, &server.client_at("192.0.2.2")).await;
    // The same with a token takes no more than the second last.
    let twin = Client::with_token(server.address, &token);
    sent.extend((0..24).map(|_| send(&twin, SLOW)));
    held.wait_for(3).await;
    expect_answers(&server, &server.client_at("192.0.2.3")).await;
    assert_eq!(held.most.load(Ordering::SeqCst), 3);
    held.end();
    for answer in sent {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

/// All networks of a site take one turn.
#[tokio::test(flavor = "multi_thread")]
async fn networks_of_one_site_share_what_they_read() {
    let (server, held) = server(&[]).await;
    held.begin();
    let sent: Vec<_> = (0..16)
        .map(|network| {
            send(
                &server.client_at(&format!("2001:db8:7:{network:x}::1")),
                SLOW,
            )
        })
        .collect();
    held.wait_for(2).await;
    expect_answers(&server, &server.client_at("2001:db8:8::1")).await;
    assert_eq!(held.most.load(Ordering::SeqCst), 2);
    held.end();
    for answer in sent {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_too_long_says_for_whom() {
    let flags = [
        "--readers",
        "1",
        "--max-seconds",
        "2",
        "--statement-seconds",
        "1",
    ];
    let (server, held) = server(&flags).await;
    held.begin();
    let first = server.client_at("192.0.2.1");
    let slow = send(&first, SLOW);
    held.wait_for(1).await;
    let (own, others) = tokio::join!(post(&first, QUICK), async {
        post(&server.client_at("192.0.2.2"), QUICK).await
    });
    assert_eq!(others.headers()["retry-after"], "1");
    let (status, error) = code_of(others).await;
    assert_eq!(status, 503);
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE");
    assert!(
        error["message"].to_string().contains("other callers"),
        "{error}"
    );
    let (_, error) = code_of(own).await;
    assert_eq!(error["extensions"]["limit"], "max-seconds");
    assert!(
        error["message"]
            .to_string()
            .contains("your own other operations"),
        "{error}"
    );
    held.end();
    slow.await.unwrap();
    first.data(QUICK, json!({})).await;
    let url = format!("http://{}/metrics", server.address);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let waits = |outcome: &str| {
        let name = format!("wait_duration_seconds_count{{what=\"reader\",outcome=\"{outcome}\"}}");
        text.lines()
            .any(|line| line.contains(&name) && !line.ends_with(" 0"))
    };
    assert!(waits("served") && waits("timed_out"), "{text}");
}

/// Also where the operation fails, or nobody waits for it any more.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_statements_is_paid_for() {
    let points = ["--rate-points", "100000", "--rate-points-per-second", "1"];
    let times = ["--max-seconds", "2", "--statement-seconds", "1"];
    let (server, held) = server(&[points, times].concat()).await;
    let left = async |address: &str| {
        let response = post(&server.client_at(address), "{ __typename }").await;
        let header = response.headers()["ratelimit"].to_str().unwrap().to_owned();
        let left = header.split(';').find_map(|part| part.strip_prefix("r="));
        left.unwrap().parse::<u64>().unwrap()
    };
    for (address, leaves) in [("192.0.2.1", false), ("192.0.2.2", true)] {
        let client = server.client_at(address);
        held.begin();
        let sent = send(&client, SLOW);
        held.wait_for(1).await;
        if leaves {
            sent.abort();
        } else {
            let (_, error) = code_of(sent.await.unwrap()).await;
            assert_eq!(error["extensions"]["limit"], "max-seconds", "{error}");
        }
        sleep(Duration::from_millis(300)).await;
        held.end();
        wait_until(async || left(address).await < 100_000 - 250).await;
    }
    assert!(left("192.0.2.3").await > 100_000 - 50, "others pay nothing");
    let url = format!("http://{}/api/v2/builders", server.address);
    let client = server.client_at("192.0.2.4");
    held.begin();
    let sent = tokio::spawn(async move { client.http.get(url).send().await.unwrap() });
    held.wait_for(1).await;
    sleep(Duration::from_millis(300)).await;
    held.end();
    assert_eq!(sent.await.unwrap().status(), 200);
    assert!(left("192.0.2.4").await < 100_000 - 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_runs_so_many_operations_at_once_and_more_wait() {
    let (server, held) = server(&["--max-concurrent-per-caller", "1"]).await;
    held.begin();
    let busy = server.client_at("192.0.2.1");
    let running = send(&busy, SLOW);
    held.wait_for(1).await;
    let sent: Vec<_> = (0..6).map(|_| send(&busy, QUICK)).collect();
    wait_until(async || sent.iter().filter(|one| one.is_finished()).count() == 2).await;
    let url = format!("http://{}/api/v2/builds", server.address);
    let refused = busy.http.get(url).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    expect_answers(&server, &server.client_at("192.0.2.2")).await;
    held.end();
    assert_eq!(running.await.unwrap().status(), 200);
    let (mut answered, mut refused) = (0, 0);
    for answer in sent {
        let answer = answer.await.unwrap();
        if answer.status() == 200 {
            answered += 1;
            continue;
        }
        refused += 1;
        assert_eq!(answer.headers()["retry-after"], "1");
        let (status, error) = code_of(answer).await;
        assert_eq!(status, 429);
        let extensions = &error["extensions"];
        assert_eq!(extensions["code"], "LIMIT_EXCEEDED");
        assert_eq!(extensions["limit"], "max-concurrent-per-caller");
        assert_eq!(
            (&extensions["max"], &extensions["retryAfter"]),
            (&json!(1), &json!(1))
        );
    }
    assert_eq!((answered, refused), (4, 2));
    busy.data(QUICK, json!({})).await;
}

/// Two of them may take more memory than a caller has in the test below.
const WIDE: &str = "{ builders(first: 500) { nodes { a: name b: name c: name d: name e: name f: name g: name h: name } } }";

#[tokio::test(flavor = "multi_thread")]
async fn operations_wait_for_the_memory_that_others_of_their_caller_may_take() {
    let flags = ["--max-memory-bytes-per-caller", "2000000"];
    let (server, held) = server(&flags).await;
    held.begin();
    let busy = server.client_at("192.0.2.1");
    let running = send(&busy, WIDE);
    held.wait_for(1).await;
    let waiting = send(&busy, WIDE);
    let other = send(&server.client_at("192.0.2.2"), WIDE);
    held.wait_for(2).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(held.most.load(Ordering::SeqCst), 2, "one of each caller");
    held.end();
    for answer in [running, waiting, other] {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_caller_has_so_many_subscriptions() {
    let (server, _held) = server(&["--max-subscriptions-per-caller", "2"]).await;
    let subscribe = async |client: &Client| {
        let body = json!({ "query": "subscription { stepEvents { cursor } }" });
        let request = client.http.post(&client.url).json(&body);
        let request = request.header("accept", "text/event-stream");
        request.send().await.unwrap()
    };
    let (first, second) = (
        server.client_at("192.0.2.1"),
        server.client_at("2001:db8::1"),
    );
    for client in [&first, &second] {
        let streams = [subscribe(client).await, subscribe(client).await];
        assert!(streams.iter().all(|stream| stream.status() == 200));
        let refused = subscribe(client).await;
        assert_eq!(refused.headers()["retry-after"], "10");
        let (status, error) = code_of(refused).await;
        assert_eq!(status, 429);
        assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED");
        assert_eq!(error["extensions"]["limit"], "max-subscriptions-per-caller");
        // Queries still run, and a subscription that ends makes room.
        client.data(QUICK, json!({})).await;
        drop(streams);
        wait_until(async || subscribe(client).await.status() == 200).await;
    }
}
