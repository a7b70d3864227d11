//! Each level of a nested query is one statement, however many parents it has. The database's
//! callback counts them.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use buildbot_graphql::testing::{Clock, OnStatement};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    filter::seed::named,
    master::sqlite::live,
    support::{client::Client, server::Server},
};

/// Raises the default limits of cost and length.
const FLAGS: [&str; 6] = [
    "--anonymous",
    "write",
    "--max-cost",
    "10000000",
    "--max-tokens",
    "20000",
];

/// Down three levels and up two, with tags: six statements.
const DOWN_AND_UP: &str = "{ builders(first: 500) { nodes { tags builds(first: 5) { nodes { steps { build { builder { name } } } } } } } }";

/// A server that records its statements.
pub(crate) struct RecordingServer {
    server: Server,
    client: Client,
    statements: Arc<Mutex<Vec<String>>>,
}

impl RecordingServer {
    async fn over_copy_of(database: Option<&std::path::Path>) -> Self {
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = statements.clone();
        let watch: OnStatement = Box::new(move |sql| log.lock().unwrap().push(sql.to_owned()));
        let server = Server::build(&FLAGS, database, Clock::System, Some(watch)).await;
        let client = server.client();
        Self {
            server,
            client,
            statements,
        }
    }

    /// A server with this many builders, each with six builds of three steps and two tags.
    pub(crate) async fn with(builders: usize) -> Self {
        let recording = Self::over_copy_of(None).await;
        let mut sql = format!(
            "BEGIN; INSERT INTO tags (id, name, name_hash) VALUES (1, {}), (2, {});",
            named("t1"),
            named("t2")
        );
        for i in 1..=builders {
            let name = named(&format!("b{i}"));
            write!(
                sql,
                "INSERT INTO builders (id, name, name_hash) VALUES ({i}, {name});"
            )
            .unwrap();
        }
        sql += "INSERT INTO builders_tags (builderid, tagid) SELECT b.id, t.id FROM builders b, tags t; \
                INSERT INTO builds (number, builderid, started_at, locks_duration_s, state_string) \
                SELECT n.value, b.id, 1, 0, '' FROM builders b, (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6) n ORDER BY b.id, n.value; \
                INSERT INTO steps (number, name, buildid, state_string, urls_json) \
                SELECT n.value, 's' || n.value, b.id, '', '[]' FROM builds b, (SELECT 0 AS value UNION SELECT 1 UNION SELECT 2) n ORDER BY b.id, n.value; COMMIT;";
        let writer = recording.server.sql().await;
        writer.run(&sql).await;
        writer.advance_ids().await;
        recording
    }

    /// Runs plain SQL, which is not recorded.
    pub(crate) async fn run_sql(&self, sql: &str) {
        self.server.sql().await.run(sql).await;
    }

    /// Takes the statements recorded so far, without those of the change feed.
    fn take_statements(&self) -> Vec<String> {
        let mut all = std::mem::take(&mut *self.statements.lock().unwrap());
        all.retain(|sql| !sql.contains("graphql_"));
        all
    }

    /// The response to a query, and its statements.
    async fn run(&self, query: &str) -> (Value, Vec<String>) {
        self.take_statements();
        let data = self.client.data(query, json!({})).await;
        (data, self.take_statements())
    }

    /// Checks that the query takes this many statements.
    pub(crate) async fn expect_statements(&self, query: &str, statements: usize) -> Value {
        let (data, sent) = self.run(query).await;
        let starts: Vec<String> = sent
            .iter()
            .map(|sql| sql.chars().take(150).collect())
            .collect();
        assert_eq!(sent.len(), statements, "{query}\n{starts:#?}");
        data
    }
}

/// The expected statements of this file's queries: one per list, one per total, one per relation of
/// a row.
const COSTS: [(&str, usize); 10] = [
    (DOWN_AND_UP, 6),
    ("{ builders(first: 500) { nodes { name } } }", 1),
    (
        "{ builders(first: 500) { totalCount nodes { builds(first: 1) { nodes { steps(limit: 2) { name } } } } } }",
        4,
    ),
    (
        "{ builders(first: 500) { nodes { builds(last: 2) { totalCount nodes { number } } } } }",
        3,
    ),
    (
        "{ builders(first: 500) { nodes { builds { totalCount } } } }",
        2,
    ),
    (
        "{ builders(first: 500) { nodes { builds { ...t } } } } fragment t on BuildConnection { n: totalCount }",
        2,
    ),
    (
        "{ builders(first: 500) { nodes { builds(first: 2) { totalCount @skip(if: true) nodes { number } } } } }",
        2,
    ),
    (
        "{ builders(first: 500) { nodes { a: builds(first: 2) { nodes { number } } b: builds(last: 3) { nodes { number } } } } }",
        3,
    ),
    (
        "{ builders(first: 500) { nodes { a: builds(first: 2) { nodes { steps { name } } } b: builds(last: 3) { nodes { steps { name } } } } } }",
        4,
    ),
    (
        "{ builders(first: 500) { nodes { build(number: 2) { a: steps(nameOrNumber: \"s1\") { number } b: steps(nameOrNumber: 2, limit: 1) { build { number } } } } } }",
        5,
    ),
];

#[tokio::test]
async fn the_number_of_parents_does_not_matter() {
    for builders in [3, 300] {
        let recording = RecordingServer::with(builders).await;
        for (query, statements) in COSTS {
            let data = recording.expect_statements(query, statements).await;
            let nodes = data["builders"]["nodes"].as_array().unwrap();
            assert_eq!(nodes.len(), builders, "{query}");
        }
    }
}

/// As many parents as a page can have.
#[tokio::test]
async fn five_hundred_parents_take_one_statement() {
    let recording = RecordingServer::with(500).await;
    let data = recording
        .expect_statements("{ builders(first: 500) { nodes { builderid builds(first: 2) { nodes { builderid number steps(limit: 1) { number } } } } } }", 3)
        .await;
    let nodes = data["builders"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 500);
    for builder in nodes {
        let build = |number| json!({ "builderid": builder["builderid"], "number": number, "steps": [{ "number": 0 }] });
        assert_eq!(builder["builds"]["nodes"], json!([build(1), build(2)]));
    }
}

/// A page of parents can have more children than a page holds, and they are still one level.
#[tokio::test]
async fn thousands_of_parents_take_one_statement() {
    let recording = RecordingServer::with(300).await;
    let numbers: Vec<i32> = (1..=100).collect();
    let filtered = format!(
        "builds(first: 1, where: {{ number: {{ in: {numbers:?} }} }}) {{ nodes {{ number }} }}"
    );
    let mut torn = Vec::new();
    for (inner, statements) in [
        (&*filtered, 2),
        ("builds(first: 6) { nodes { steps { number } } }", 3),
        ("builds(first: 6) { nodes { builder { tags } } }", 4),
        (
            "builds(first: 6) { nodes { steps(limit: 2) { number } } }",
            3,
        ),
        (
            "a: build(number: 2) { builder { name } } b: build(number: 9) { number }",
            3,
        ),
    ] {
        let query = format!("{{ builders(first: 500) {{ nodes {{ {inner} }} }} }}");
        let (_, sent) = recording.run(&query).await;
        if sent.len() != statements {
            torn.push((inner, statements, sent.len()));
        }
    }
    assert!(torn.is_empty(), "expected and counted: {torn:#?}");
}

/// Aliases on one level are one level.
#[tokio::test]
async fn aliases_are_batched() {
    let recording = RecordingServer::with(40).await;
    for (field, key) in [
        ("builder(name: \"b{}\") { name tags }", 2),
        (
            "builder(builderid: {}) { builds(first: 2) { nodes { number } } }",
            2,
        ),
        ("build(buildid: {}) { steps { name } }", 2),
        ("step(stepid: {}) { build { builder { name } } }", 3),
        (
            "builder(name: \"b{}\") { build(number: {}) { steps(nameOrNumber: \"s2\") { number } } }",
            3,
        ),
    ] {
        let aliases: Vec<String> = (1..=40)
            .map(|i| format!("a{i}: {}", field.replace("{}", &i.to_string())))
            .collect();
        let data = recording
            .expect_statements(&format!("{{ {} }}", aliases.join(" ")), key)
            .await;
        assert!(
            data.as_object().unwrap().values().all(Value::is_object),
            "{data:#}"
        );
    }
}

/// Objects of any types by their ids: a statement for each type, and for what lies below it.
#[tokio::test]
async fn nodes_of_one_type_take_one_statement() {
    let recording = RecordingServer::with(100).await;
    let page = "builds(first: 150) { nodes { id } } builders(first: 100) { nodes { id } } steps(first: 250) { nodes { id } }";
    let (data, _) = recording.run(&format!("{{ {page} }}")).await;
    let lists = ["builds", "builders", "steps"].map(|list| data[list]["nodes"].as_array().unwrap());
    let ids: Vec<&Value> = lists
        .iter()
        .flat_map(|list| list.iter().map(|node| &node["id"]))
        .collect();
    let below = "id ... on Builder { tags } ... on Build { steps { name } } ... on Step { build { number } }";
    let query = format!("{{ nodes(ids: {}) {{ {below} }} }}", json!(ids));
    let data = recording.expect_statements(&query, 6).await;
    let found: Vec<&Value> = data["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["id"])
        .collect();
    assert_eq!(found, ids);
}

/// A gateway's entities, of one type and of three, and what lies below them.
#[tokio::test]
async fn a_thousand_entities_of_one_type_take_one_statement() {
    let recording = RecordingServer::with(60).await;
    let literal =
        |kind: &str, key: &str, id: usize| format!("{{ __typename: \"{kind}\", {key}: {id} }}");
    for (steps, others, statements) in [(1_000, 0, 3), (500, 50, 5)] {
        let mut all: Vec<String> = (1..=steps)
            .map(|id| literal("Step", "stepid", id))
            .collect();
        all.extend((1..=others).map(|id| literal("Build", "buildid", id)));
        all.extend((1..=others).map(|id| literal("Builder", "builderid", id)));
        let below = "... on Step { build { builder { name } } } ... on Build { number } ... on Builder { name }";
        let query = format!(
            "{{ _entities(representations: [{}]) {{ {below} }} }}",
            all.join(" ")
        );
        let data = recording.expect_statements(&query, statements).await;
        let found = data["_entities"].as_array().unwrap();
        assert_eq!(found.len(), all.len());
        assert!(found.iter().all(Value::is_object));
    }
}

/// The same holds for a real database, from every root.
#[tokio::test]
async fn a_real_database_takes_the_same_statements() {
    let recording = RecordingServer::over_copy_of(Some(&live())).await;
    let data = recording.expect_statements(DOWN_AND_UP, 6).await;
    assert_eq!(data["builders"]["nodes"].as_array().unwrap().len(), 16);
    recording
        .expect_statements("{ steps(first: 500) { nodes { build { builder { tags builds { nodes { number } } } } } } }", 5)
        .await;
    recording
        .expect_statements("{ builds(first: 500) { totalCount nodes { builder { name } steps(where: { hidden: false }) { name } } } }", 4)
        .await;
    let (data, sent) = recording.run("{ steps { totalCount } }").await;
    assert_eq!(data["steps"]["totalCount"], 288);
    let counting = |sql: &&String| sql.to_lowercase().contains("count(");
    assert_eq!(sent.iter().filter(counting).count(), 1, "{sent:#?}");
    let (_, sent) = recording
        .run("{ steps { pageInfo { hasNextPage } nodes { name } } }")
        .await;
    assert_eq!(sent.iter().filter(counting).count(), 0, "{sent:#?}");
}

/// A split batch would add a statement. Repetition finds one that splits rarely.
#[tokio::test]
async fn batches_never_split() {
    let recording = RecordingServer::with(60).await;
    for _ in 0..20 {
        recording.expect_statements(DOWN_AND_UP, 6).await;
    }
}

/// The same with eight concurrent clients, on several threads and for the same connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_never_split_under_load() {
    let recording = RecordingServer::with(30).await;
    let expected = recording.expect_statements(DOWN_AND_UP, 6).await;
    recording.take_statements();
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let client = recording.server.client();
        tasks.spawn(async move {
            let mut responses = Vec::new();
            for _ in 0..10 {
                responses.push(client.data(DOWN_AND_UP, json!({})).await);
            }
            responses
        });
    }
    let responses: Vec<Value> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(responses.len(), 80);
    assert!(responses.iter().all(|response| *response == expected));
    assert_eq!(recording.take_statements().len(), 80 * 6);
}
