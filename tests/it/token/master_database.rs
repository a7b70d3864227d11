//! Tokens in a Buildbot master's database.

use buildbot_graphql::testing::Scope;
use serde_json::json;

use super::{QUERY, create, revoke};
use crate::{
    attach::{master, run, schema, serve},
    cli,
    support::client::Client,
};

#[tokio::test]
async fn the_first_token_creates_the_table_and_detach_drops_it() {
    let (database, sql) = master().await;
    let before = schema(&sql).await;
    let server = serve(&database, &["--anonymous", "none"]).await;
    // Without the table there are no tokens: this one is wrong, and the lookup does not fail.
    let wrong = Client::with_token(server.address, &format!("bbg_{}", "0".repeat(64)));
    assert_eq!(wrong.error(QUERY, json!({})).await.0, "UNAUTHENTICATED");
    let list = ["token", "list", "--database-url", &*database.url];
    assert_eq!(cli::run(&list).await.1, "There are no tokens.\n");

    let create_ci = [
        &["token", "create", "--name", "ci", "--scope", "read"],
        &list[2..],
    ]
    .concat();
    let (code, stdout, stderr) = cli::run(&create_ci).await;
    assert_eq!(code, Some(0), "{stderr}");
    let (added, token) = stdout.trim_end().split_once('\n').unwrap();
    assert_eq!(added, "added table graphql_tokens");
    let client = Client::with_token(server.address, token);
    client.data(QUERY, json!({})).await;
    create(&server, "second", Scope::Write).await;
    assert_eq!(cli::run(&list).await.1.lines().count(), 2);

    // The feed is attached and repaired beside the tokens.
    run("attach", &database).await.unwrap();
    sql.run("DROP TABLE graphql_feed").await;
    let mended = run("attach", &database).await.unwrap();
    assert!(
        !mended.iter().any(|line| line.contains("tokens")),
        "{mended:?}"
    );
    client.data(QUERY, json!({})).await;
    revoke(&server, "second").await;

    let output = run("detach", &database).await.unwrap();
    let removed = output
        .iter()
        .any(|line| line == "removed table graphql_tokens");
    assert!(removed, "{output:?}");
    assert_eq!(schema(&sql).await, before);
    assert_eq!(client.error(QUERY, json!({})).await.0, "UNAUTHENTICATED");
    assert_eq!(
        run("detach", &database).await.unwrap(),
        ["There is no change feed."]
    );
}

/// Buildbot's rows are read-only, whatever a token allows.
#[tokio::test]
async fn a_write_token_does_not_write_to_a_masters_database() {
    let (database, _) = master().await;
    let server = serve(&database, &[]).await;
    let token = create(&server, "w", Scope::Write).await;
    crate::master::sqlite::read_only::try_mutations(&Client::with_token(server.address, &token))
        .await;
}
