//! A real Buildbot master's SQLite file, served as it is, or its rows in our own PostgreSQL or
//! MariaDB database: every row is reachable and equal to what plain SQL reads in the file, and the
//! file stays unchanged.

pub(crate) mod load;
pub(crate) mod read_only;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use load::FITS;

use crate::{
    pagination::List,
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
    },
};

const BUILDER: &str = "builderid name description descriptionFormat descriptionHtml projectid tags";
const BUILD: &str = "buildid number builderid buildrequestid workerid masterid startedAt complete completeAt \
                     locksDurationS stateString results";
const STEP: &str = "stepid buildid number name startedAt locksAcquiredAt complete completeAt results stateString \
                    urls { name url } hidden durationS lockWaitS";

pub(crate) fn live() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/live.sqlite")
}

async fn serve() -> Server {
    // One query may read everything, which the default limits forbid.
    let flags = [
        "--anonymous",
        "write",
        "--max-cost",
        "10000000",
        "--max-values",
        "100000000",
    ];
    if kind() == Kind::Sqlite {
        return Server::over_copy_of(&live(), &flags).await;
    }
    let server = Server::with_flags(&flags).await;
    load::copy(&live(), &server.sql().await).await;
    server
}

/// SQL for a time as text, a flag, and a result by name.
fn time(column: &str) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%SZ', {column}, 'unixepoch')")
}

fn flag(condition: &str) -> String {
    format!("json(iif({condition}, 'true', 'false'))")
}

const RESULTS: &str = "CASE results WHEN 0 THEN 'SUCCESS' WHEN 1 THEN 'WARNINGS' WHEN 2 THEN 'FAILURE' WHEN 3 THEN 'SKIPPED' \
                       WHEN 4 THEN 'EXCEPTION' WHEN 5 THEN 'RETRY' WHEN 6 THEN 'CANCELLED' END";

fn builder_sql() -> String {
    "SELECT json_object('builderid', id, 'name', name, 'description', description, 'descriptionFormat', description_format, \
     'descriptionHtml', description_html, 'projectid', projectid, 'tags', (SELECT json_group_array(name) FROM \
     (SELECT t.name FROM builders_tags x JOIN tags t ON t.id = x.tagid WHERE x.builderid = builders.id ORDER BY x.id))) AS json \
     FROM builders ORDER BY id"
        .to_owned()
}

fn build_sql() -> String {
    format!(
        "SELECT json_object('buildid', id, 'number', number, 'builderid', builderid, 'buildrequestid', buildrequestid, \
         'workerid', workerid, 'masterid', masterid, 'startedAt', {}, 'complete', {}, 'completeAt', {}, \
         'locksDurationS', locks_duration_s, 'stateString', state_string, 'results', {RESULTS}) AS json FROM builds ORDER BY id",
        time("started_at"),
        flag("complete_at IS NOT NULL"),
        time("complete_at"),
    )
}

fn step_sql() -> String {
    format!(
        "SELECT json_object('stepid', id, 'buildid', buildid, 'number', number, 'name', name, 'startedAt', {}, \
         'locksAcquiredAt', {}, 'complete', {}, 'completeAt', {}, 'results', {RESULTS}, 'stateString', state_string, \
         'urls', json(urls_json), 'hidden', {}, 'durationS', complete_at - started_at, \
         'lockWaitS', locks_acquired_at - started_at) AS json FROM steps {} ORDER BY id",
        time("started_at"),
        time("locks_acquired_at"),
        flag("complete_at IS NOT NULL"),
        time("complete_at"),
        flag("hidden"),
        if kind() == Kind::Sqlite { "" } else { FITS },
    )
}

/// All builders, builds and steps, as plain SQL reads them in the file.
async fn expected_rows() -> [Vec<Value>; 3] {
    let sql = Sql::open(&Database::copy_of(&live())).await;
    let [builders, builds, steps] = [builder_sql(), build_sql(), step_sql()];
    let all = [
        sql.rows(&builders).await,
        sql.rows(&builds).await,
        sql.rows(&steps).await,
    ];
    assert_eq!(all.each_ref().map(Vec::len), [16, 56, step_count()]);
    all
}

fn step_count() -> usize {
    if kind() == Kind::Sqlite { 288 } else { 282 }
}

/// The rows by their ids.
fn by_id<'a>(rows: &'a [Value], id: &str) -> BTreeMap<i64, &'a Value> {
    rows.iter()
        .map(|row| (row[id].as_i64().unwrap(), row))
        .collect()
}

#[tokio::test]
async fn every_row_is_listed_and_equal_to_the_file() {
    let server = serve().await;
    let client = server.client();
    let [builders, builds, steps] = expected_rows().await;
    for (field, node, rows) in [
        ("builders", BUILDER, &builders),
        ("builds", BUILD, &builds),
        ("steps", STEP, &steps),
    ] {
        let list = List {
            client: &client,
            of: None,
            field,
            arguments: "where: {}".into(),
            node,
        };
        for size in [1, 7, rows.len(), 500] {
            list.holds(rows, size).await;
        }
    }
}

/// From each step up, and from each builder down.
#[tokio::test]
async fn nested_rows_are_equal_to_the_file() {
    let server = serve().await;
    let client = server.client();
    let [builders, builds, steps] = expected_rows().await;
    let (by_builderid, by_buildid) = (by_id(&builders, "builderid"), by_id(&builds, "buildid"));

    let up = format!(
        "{{ steps(first: 500) {{ nodes {{ {STEP} build {{ {BUILD} builder {{ {BUILDER} }} }} }} }} }}"
    );
    let expected: Vec<Value> = steps
        .iter()
        .map(|step| {
            let mut build = by_buildid[&step["buildid"].as_i64().unwrap()].clone();
            build["builder"] = by_builderid[&build["builderid"].as_i64().unwrap()].clone();
            let mut step = step.clone();
            step["build"] = build;
            step
        })
        .collect();
    let data = client.data(&up, json!({})).await;
    assert_eq!(data["steps"]["nodes"], json!(expected));

    let down = format!(
        "{{ builders {{ nodes {{ {BUILDER} builds {{ totalCount nodes {{ {BUILD} steps {{ {STEP} }} }} }} }} }} }}"
    );
    let mut in_order = steps.clone();
    in_order.sort_by_key(|step| step["number"].as_i64());
    let children = |rows: &[Value], parent: &Value, key: &str| -> Vec<Value> {
        rows.iter()
            .filter(|row| row[key] == parent[key])
            .cloned()
            .collect()
    };
    let expected: Vec<Value> = builders
        .iter()
        .map(|builder| {
            let mut of_builder = children(&builds, builder, "builderid");
            for build in &mut of_builder {
                build["steps"] = children(&in_order, build, "buildid").into();
            }
            let mut builder = builder.clone();
            builder["builds"] = json!({ "totalCount": of_builder.len(), "nodes": of_builder });
            builder
        })
        .collect();
    let data = client.data(&down, json!({})).await;
    assert_eq!(data["builders"]["nodes"], json!(expected));
}

#[tokio::test]
async fn every_builder_is_found_by_id_and_by_name() {
    let server = serve().await;
    let client = server.client();
    let [builders, ..] = expected_rows().await;
    let names: Vec<&str> = builders
        .iter()
        .map(|b| b["name"].as_str().unwrap())
        .collect();
    for name in ["42", "1", "a/b%20c?d", "ünïcode-日本", "with space"] {
        assert!(names.contains(&name), "{name}");
    }
    let query = format!(
        "query($i: Int, $n: String) {{ a: builder(builderid: $i) {{ {BUILDER} }} b: builder(name: $n) {{ {BUILDER} }} }}"
    );
    for builder in &builders {
        let variables = json!({ "i": builder["builderid"], "n": builder["name"] });
        let data = client.data(&query, variables).await;
        assert_eq!(&data["a"], builder);
        assert_eq!(&data["b"], builder);
    }
}

/// Every step by its builder's name, its build's number, and its own number or name.
#[tokio::test]
async fn every_step_is_found_by_name_and_by_number() {
    let server = serve().await;
    let client = server.client();
    let [builders, builds, steps] = expected_rows().await;
    let (by_builderid, by_buildid) = (by_id(&builders, "builderid"), by_id(&builds, "buildid"));
    let query = format!(
        "query($b: String, $n: Int!, $number: NameOrNumber, $text: NameOrNumber, $name: NameOrNumber) {{ \
         builder(name: $b) {{ build(number: $n) {{ \
         number: steps(nameOrNumber: $number) {{ {STEP} }} text: steps(nameOrNumber: $text) {{ {STEP} }} \
         name: steps(nameOrNumber: $name) {{ {STEP} }} }} }} }}"
    );
    let mut digits = 0;
    for step in &steps {
        let build = by_buildid[&step["buildid"].as_i64().unwrap()];
        let builder = by_builderid[&build["builderid"].as_i64().unwrap()];
        let variables = json!({
            "b": builder["name"], "n": build["number"],
            "number": step["number"], "text": step["number"].to_string(), "name": step["name"],
        });
        let data = client.data(&query, variables).await;
        let found = &data["builder"]["build"];
        assert_eq!(found["number"], json!([step]));
        assert_eq!(found["text"], json!([step]));
        let name = step["name"].as_str().unwrap();
        if name.bytes().all(|b| b.is_ascii_digit()) {
            // Digits are a number, and no build here has so many steps.
            assert_eq!(found["name"], json!([]), "{name}");
            let filter = format!(
                "{{ steps(where: {{ name: {{ eq: \"{name}\" }}, buildid: {{ eq: {} }} }}) {{ nodes {{ {STEP} }} }} }}",
                step["buildid"]
            );
            let data = client.data(&filter, json!({})).await;
            assert_eq!(data["steps"]["nodes"], json!([step]));
            digits += 1;
        } else {
            assert_eq!(found["name"], json!([step]));
        }
    }
    assert_eq!(digits, 3, "the steps named 123");
}

#[tokio::test]
async fn every_id_leads_back_to_its_row() {
    let server = serve().await;
    let client = server.client();
    let query = "{ builders { nodes { __typename id builderid } } builds(first: 500) { nodes { __typename id buildid } } \
                 steps(first: 500) { nodes { __typename id stepid } } }";
    let data = client.data(query, json!({})).await;
    let node = "query($id: ID!) { node(id: $id) { __typename id ... on Builder { builderid } ... on Build { buildid } \
                ... on Step { stepid } } }";
    let mut ids = std::collections::BTreeSet::new();
    for list in ["builders", "builds", "steps"] {
        for row in data[list]["nodes"].as_array().unwrap() {
            let found = client.data(node, json!({ "id": row["id"] })).await;
            assert_eq!(&found["node"], row);
            ids.insert(row["id"].to_string());
        }
    }
    assert_eq!(ids.len(), 16 + 56 + step_count());
}

#[tokio::test]
async fn missing_rows_are_null() {
    let server = serve().await;
    let query = "{ a: builder(builderid: 99) { name } b: builder(name: \"Plain\") { name } c: builder(name: \"\") { name } \
                 d: build(buildid: 0) { number } e: build(buildid: -1) { number } f: step(stepid: 2147483647) { name } \
                 g: builder(name: \"42\") { build(number: 99) { buildid } } \
                 h: build(buildid: 1) { steps(nameOrNumber: \"-1\") { name } } \
                 i: build(buildid: 1) { steps(nameOrNumber: -1) { name } } }";
    let data = server.client().data(query, json!({})).await;
    let none = json!({ "steps": [] });
    let expected = json!({
        "a": null, "b": null, "c": null, "d": null, "e": null, "f": null, "g": { "build": null }, "h": none, "i": none,
    });
    assert_eq!(data, expected);
    // "Step:999999" in the encoding of this server's ids.
    let gone = "{ node(id: \"U3RlcDo5OTk5OTk\") { id } }";
    assert_eq!(
        server.client().data(gone, json!({})).await["node"],
        Value::Null
    );
}
