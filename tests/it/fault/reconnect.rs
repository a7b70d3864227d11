//! A thousand sockets that are cut and reconnect at once, and clocks that jump.

use std::sync::atomic::Ordering;

use buildbot_graphql::testing::Clock;
use futures_util::future::join_all;
use serde_json::json;

use super::{free_address, serve};
use crate::{
    feed::{after, newest_cursor, next_events, position},
    support::{client::Client, database::Database, server::Server, ws::Ws},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sockets_reconnect_at_once() {
    const SOCKETS: usize = 1_000;
    // All sockets come from one address.
    const MANY: [&str; 4] = [
        "--max-sockets-per-address",
        "0",
        "--max-connections-per-address",
        "0",
    ];
    let database = Database::fresh().await;
    let address = free_address();
    let process = serve(address, &database, &MANY).await;
    let client = Client::new(address);
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let start = newest_cursor(&client).await;
    let arguments = after(&start);
    let join = || async {
        let mut ws = Ws::connect(address).await;
        ws.subscribe(&arguments).await;
        ws
    };
    let sockets = join_all((0..SOCKETS).map(|_| join())).await;
    let mut written = vec![client.set_state(stepid, "before").await];
    process.kill().await;
    drop(sockets);
    let process = serve(address, &database, &MANY).await;
    let client = Client::new(address);
    let write = async {
        for i in 0..10 {
            written.push(client.set_state(stepid, &format!("{i}")).await);
        }
    };
    let (mut sockets, ()) = tokio::join!(join_all((0..SOCKETS).map(|_| join())), write);
    let received = join_all(sockets.iter_mut().map(|ws| next_events(ws, 11))).await;
    for received in received {
        let cursors: Vec<_> = received.iter().map(|event| &event["cursor"]).collect();
        assert_eq!(json!(cursors), json!(written));
    }
    drop(process);
}

#[tokio::test]
async fn a_clock_that_jumps_moves_no_event() {
    let clock = Clock::fixed(1_700_000_000);
    let server = Server::build(&["--anonymous", "write"], None, clock.clone(), None).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, start) = client.new_step(build, "s").await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    let mut written = Vec::new();
    for (i, jump) in [0, 400_000_000, -400_000_000, -1_600_000_000, 2_000_000_000]
        .into_iter()
        .enumerate()
    {
        let Clock::Fixed(now) = &clock else {
            unreachable!()
        };
        now.fetch_add(jump, Ordering::Relaxed);
        // Retention uses the same clock: it may drop old events but leaves no gap.
        server.handle.prune().await.unwrap();
        let finish = format!(
            "mutation {{ finishStep(stepid: {stepid}, results: SUCCESS, hidden: {}) {{ cursor step {{ completeAt }} }} }}",
            i % 2 == 0
        );
        let finished = client.data(&finish, json!({})).await;
        let cursor = finished["finishStep"]["cursor"].clone();
        let event = ws.event().await;
        assert_eq!(event["cursor"], cursor);
        written.push(position(&cursor));
    }
    assert!(written.is_sorted_by(|a, b| a + 1 == *b), "{written:?}");
}
