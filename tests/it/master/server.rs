//! A Buildbot master's database on PostgreSQL or MariaDB: read by the same rules as our own, and
//! never written. `sqlite.rs` has the tests for SQLite.

use serde_json::{Value, json};

use crate::{
    filter::seed::{named, quote},
    master::sqlite::read_only::try_everything,
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
    },
};

/// In code point order. MariaDB's `utf8mb3_general_ci` treats the texts of one letter as equal.
const TEXTS: [&str; 9] = ["A", "B", "a", "a ", "b", "b ", "Ä", "ä", "日本"];

/// A master's database with a builder, one build per text and one step in each build. None on
/// SQLite.
pub(crate) async fn master() -> Option<(Database, Sql)> {
    let schema = match kind() {
        Kind::Sqlite => return None,
        Kind::Postgres => include_str!("../../data/buildbot-postgresql.sql"),
        Kind::Mariadb => include_str!("../../data/buildbot-mariadb.sql"),
    };
    Some(master_of(schema, &TEXTS).await)
}

/// The same with this schema and a builder for each of these texts.
pub(super) async fn master_of(schema: &str, texts: &[&str]) -> (Database, Sql) {
    let database = Database::fresh().await;
    let sql = Sql::open(&database).await;
    sql.run(schema).await;
    let mut rows = vec![
        "INSERT INTO alembic_version VALUES ('067')".to_owned(),
        "INSERT INTO tags (id, name, name_hash) VALUES (1, 'fast', '')".to_owned(),
    ];
    for (i, text) in texts.iter().enumerate() {
        let (id, state) = (texts.len() - i, quote(text));
        rows.push(format!(
            "INSERT INTO builders (id, name, name_hash) VALUES ({id}, {})",
            named(text)
        ));
        rows.push(format!(
            "INSERT INTO builds (id, number, builderid, buildrequestid, workerid, masterid, started_at, complete_at, \
             locks_duration_s, state_string, results) VALUES ({id}, 7, {id}, 5, NULL, 3, 1700000000, 2147483647, 4, {state}, 2)"
        ));
        rows.push(format!(
            "INSERT INTO steps (id, number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results, \
             urls_json, hidden) VALUES ({id}, 0, {state}, {id}, 1700000000, 1700000001, NULL, {state}, NULL, '[]', 1)"
        ));
    }
    rows.push("INSERT INTO builders_tags (builderid, tagid) VALUES (1, 1)".to_owned());
    sql.run(&rows.join(";\n")).await;
    (database, sql)
}

/// All rows, tables and triggers.
async fn contents(sql: &Sql) -> Vec<Value> {
    let schema = if kind() == Kind::Postgres {
        "current_schema()"
    } else {
        "DATABASE()"
    };
    let mut all = Vec::new();
    for (columns, from) in [
        (
            "table_name",
            format!("information_schema.tables WHERE table_schema = {schema} ORDER BY table_name"),
        ),
        (
            "trigger_name",
            format!("information_schema.triggers WHERE trigger_schema = {schema}"),
        ),
        ("version_num", "alembic_version".to_owned()),
        ("id, name, name_hash", "builders ORDER BY id".to_owned()),
        (
            "id, number, complete_at, state_string, results",
            "builds ORDER BY id".to_owned(),
        ),
        (
            "id, number, name, started_at, complete_at, state_string, results, urls_json",
            "steps ORDER BY id".to_owned(),
        ),
    ] {
        all.extend(
            sql.rows(&format!("SELECT json_array({columns}) AS json FROM {from}"))
                .await,
        );
    }
    all
}

#[tokio::test]
async fn a_masters_database_is_read_and_never_written() {
    let Some((database, sql)) = master().await else {
        return;
    };
    let before = contents(&sql).await;
    let server = Server::on(
        database,
        &["--anonymous", "write"],
        buildbot_graphql::testing::Clock::System,
        None,
    )
    .await;
    let client = server.client();
    let query = "{ step(stepid: 1) { number name startedAt lockWaitS complete completeAt results stateString urls { name } hidden build {
                   number workerid masterid buildrequestid startedAt completeAt locksDurationS results stateString
                   builder { name tags builds { totalCount } } } } }";
    let expected = json!({ "step": {
        "number": 0, "name": "日本", "startedAt": "2023-11-14T22:13:20Z", "lockWaitS": 1, "complete": false, "completeAt": null,
        "results": null, "stateString": "日本", "urls": [], "hidden": true, "build": {
            "number": 7, "workerid": null, "masterid": 3, "buildrequestid": 5, "startedAt": "2023-11-14T22:13:20Z",
            "completeAt": "2038-01-19T03:14:07Z", "locksDurationS": 4, "results": "FAILURE", "stateString": "日本",
            "builder": { "name": "日本", "tags": ["fast"], "builds": { "totalCount": 1 } } } } });
    assert_eq!(client.data(query, json!({})).await, expected);

    try_everything(&client).await;
    for arguments in ["", "(snapshot: true)"] {
        let mut ws = server.ws().await;
        ws.subscribe(arguments).await;
        assert_eq!(ws.stream_error().await.0, "FEED_DETACHED");
    }
    assert_eq!(contents(&sql).await, before);
}

/// Texts compare by bytes and sort by code points, whatever collation their column has.
#[tokio::test]
async fn a_masters_texts_compare_like_ours() {
    if let Some((database, _)) = master().await {
        // A character that the column's character set lacks is a valid filter value.
        expect_compared_alike(database, &TEXTS, &["🙂"]).await;
    }
}

/// Checks that each of these texts, in code point order, finds its rows and no others, and that
/// these others find none.
pub(super) async fn expect_compared_alike(database: Database, texts: &[&str], absent: &[&str]) {
    let server = Server::on(
        database,
        &[],
        buildbot_graphql::testing::Clock::System,
        None,
    )
    .await;
    let client = server.client();
    let names = |list: &Value| -> Vec<String> {
        let nodes = list["nodes"].as_array().unwrap().iter();
        nodes
            .map(|n| n["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for size in [1, 2, 9] {
        for (ahead, back, more, end) in [
            ("first", "after", "hasNextPage", "endCursor"),
            ("last", "before", "hasPreviousPage", "startCursor"),
        ] {
            let query = format!(
                "query($c: String) {{ steps(orderBy: {{ field: NAME }}, {ahead}: {size}, {back}: $c) {{ nodes {{ name }} \
                 pageInfo {{ {more} {end} }} }} }}"
            );
            let (mut seen, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let mut page = client.data(&query, json!({ "c": cursor })).await["steps"].take();
                let mut here = names(&page);
                if ahead == "last" {
                    here.extend(seen);
                    seen = here;
                } else {
                    seen.append(&mut here);
                }
                if page["pageInfo"][more] == false {
                    break;
                }
                cursor = page["pageInfo"][end].take();
            }
            assert_eq!(seen, texts, "{ahead}: {size}");
        }
    }
    let find = "query($n: String!, $s: NameOrNumber) { builder(name: $n) { name build(number: 7) { steps(nameOrNumber: $s) { name } } }
        eq: steps(where: { name: { eq: $n } }) { nodes { name } }
        in: steps(where: { name: { in: [$n] } }) { nodes { name } }
        other: steps(where: { name: { ne: $n } }) { totalCount }
        notIn: steps(where: { stateString: { notIn: [$n] } }) { totalCount }
        part: steps(orderBy: { field: NAME }, where: { stateString: { contains: $n } }) { nodes { name } } }";
    for text in texts {
        let data = client.data(find, json!({ "n": text, "s": text })).await;
        assert_eq!(
            data["builder"],
            json!({ "name": text, "build": { "steps": [{ "name": text }] } })
        );
        assert_eq!(names(&data["eq"]), [*text]);
        assert_eq!(names(&data["in"]), [*text]);
        assert_eq!(data["other"]["totalCount"], texts.len() - 1, "{text}");
        assert_eq!(data["notIn"]["totalCount"], texts.len() - 1, "{text}");
        let holding: Vec<&str> = texts.iter().copied().filter(|t| t.contains(text)).collect();
        assert_eq!(names(&data["part"]), holding);
    }
    for text in absent {
        let none = client.data(find, json!({ "n": text, "s": text })).await;
        assert_eq!(none["builder"], Value::Null);
        assert_eq!(
            [names(&none["eq"]), names(&none["in"]), names(&none["part"])],
            [const { Vec::<String>::new() }; 3],
            "{text}"
        );
        assert_eq!(none["other"]["totalCount"], texts.len());
        assert_eq!(none["notIn"]["totalCount"], texts.len());
        let of_1 =
            "query($s: NameOrNumber) { build(buildid: 1) { steps(nameOrNumber: $s) { name } } }";
        let none = client.data(of_1, json!({ "s": text })).await;
        assert_eq!(none["build"]["steps"], json!([]), "{text}");
    }
}
