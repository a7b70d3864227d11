//! Every filter of the schema, alone and combined, against a reference that filters the same rows
//! in plain Rust.

mod any_case;
mod lists;
mod random;
mod reference;
pub(crate) mod seed;

use serde_json::{Value, json};

use lists::{LISTS, List};
use reference::matches;
pub(crate) use reference::order;
use seed::{Dice, TEXTS, rows, seeded};

use crate::support::{client::Client, server::Server};

impl List {
    /// Checks that the server returns exactly the reference's rows for the filter and all others
    /// for its complement. Returns their number.
    async fn check(&self, client: &Client, rows: &[Value], filter: &Value) -> usize {
        let (list, input, id) = (self.name, self.input, self.id);
        let query = format!(
            "query($x: {input}, $y: {input}) {{ \
             x: {list}(where: $x, first: 500) {{ totalCount nodes {{ id: {id} }} }} \
             y: {list}(where: $y, first: 500) {{ totalCount nodes {{ id: {id} }} }} }}"
        );
        let data = client
            .data(&query, json!({ "x": filter, "y": { "not": filter } }))
            .await;
        let (passing, others): (Vec<&Value>, Vec<&Value>) =
            rows.iter().partition(|row| matches(filter, row));
        for (alias, expected) in [("x", &passing), ("y", &others)] {
            let expected: Vec<Value> = expected.iter().map(|r| json!({ "id": r[id] })).collect();
            assert_eq!(data[alias]["nodes"], json!(expected), "{alias}: {filter}");
            assert_eq!(
                data[alias]["totalCount"],
                expected.len(),
                "{alias}: {filter}"
            );
        }
        passing.len()
    }
}

#[tokio::test]
async fn every_operator_of_every_field_matches_the_reference() {
    let server = seeded().await;
    let client = server.client();
    for list in LISTS {
        let rows = rows(&server, list.name).await;
        let mut informative = 0;
        for filter in list.simple() {
            let found = list.check(&client, &rows, &filter).await;
            informative += usize::from(found > 0 && found < rows.len());
        }
        // Filters that pass everything or nothing prove little, so there must be others.
        assert!(informative > 20, "{}: {informative}", list.name);
    }
}

#[tokio::test]
async fn combined_conditions_match_the_reference() {
    let server = seeded().await;
    let client = server.client();
    let mut dice = Dice(11);
    for list in LISTS {
        let rows = rows(&server, list.name).await;
        let mut informative = 0;
        for round in 0..150 {
            let filter = list.combined(&mut dice, round % 3);
            let found = list.check(&client, &rows, &filter).await;
            informative += usize::from(found > 0 && found < rows.len());
        }
        assert!(informative > 50, "{}: {informative}", list.name);
    }
}

/// The lists of a parent accept the same filters, combined with the parent and with each other.
#[tokio::test]
async fn nested_lists_filter_like_root_lists() {
    let server = seeded().await;
    let client = server.client();
    let (builds, steps) = (rows(&server, "builds").await, rows(&server, "steps").await);
    let mut dice = Dice(13);
    let query = "query($b: BuildFilter, $s: StepFilter) { builders(first: 500) { nodes { builderid \
                 builds(where: $b, first: 500) { totalCount nodes { buildid steps(where: $s) { stepid } } } } } }";
    for round in 0..60 {
        let (b, s) = (
            LISTS[1].combined(&mut dice, round % 3),
            LISTS[2].combined(&mut dice, round % 3),
        );
        let data = client.data(query, json!({ "b": b, "s": s })).await;
        let builders = data["builders"]["nodes"].as_array().unwrap();
        assert_eq!(builders.len(), TEXTS.len());
        for builder in builders {
            let of_builder = builds
                .iter()
                .filter(|row| row["builderid"] == builder["builderid"] && matches(&b, row));
            let expected: Vec<Value> = of_builder
                .map(|build| {
                    let mut of_build: Vec<&Value> = steps
                        .iter()
                        .filter(|row| row["buildid"] == build["buildid"] && matches(&s, row))
                        .collect();
                    of_build.sort_by(|x, y| order(&x["number"], &y["number"]));
                    let of_build: Vec<Value> = of_build
                        .iter()
                        .map(|step| json!({ "stepid": step["stepid"] }))
                        .collect();
                    json!({ "buildid": build["buildid"], "steps": of_build })
                })
                .collect();
            assert_eq!(builder["builds"]["nodes"], json!(expected), "{b} {s}");
            assert_eq!(builder["builds"]["totalCount"], expected.len(), "{b}");
        }
    }
}

/// `inner` within this many `not`.
fn nested(depth: usize, inner: Value) -> Value {
    (0..depth).fold(inner, |filter, _| json!({ "not": filter }))
}

async fn steps_where(server: &Server, filter: Value) -> Value {
    let query = "query($w: StepFilter) { steps(where: $w, first: 500) { nodes { stepid } } }";
    server.client().execute(query, json!({ "w": filter })).await
}

#[tokio::test]
async fn a_filter_is_limited_in_size_and_depth() {
    let server = seeded().await;
    let numbers = |n: i32| (1..=n).collect::<Vec<i32>>();
    let ors = |n: usize| vec![json!({ "stepid": { "eq": 1 } }); n];
    for fine in [
        json!({ "stepid": { "in": numbers(900) } }),
        json!({ "or": ors(400) }),
        json!({ "and": ors(400) }),
        nested(20, json!({ "stepid": { "ge": 1 } })),
    ] {
        let response = steps_where(&server, fine.clone()).await;
        assert!(response.get("errors").is_none(), "{fine}\n{response:#}");
        let nodes = response["data"]["steps"]["nodes"].as_array().unwrap();
        assert!(!nodes.is_empty(), "{fine}");
    }
    for (too_much, rule) in [
        (json!({ "stepid": { "in": numbers(1_001) } }), "1000"),
        (json!({ "name": { "notIn": vec!["x"; 1_001] } }), "1000"),
        (json!({ "or": ors(1_001) }), "1000"),
        (nested(21, json!({})), "20"),
        (nested(60, json!({ "complete": true })), "20"),
    ] {
        let response = steps_where(&server, too_much).await;
        let error = &response["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error:#}");
        assert_eq!(error["extensions"]["argument"], "where", "{error:#}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("where: ") && message.contains(rule),
            "{message}"
        );
        assert!(response["data"].is_null(), "{response:#}");
    }
}

/// A step whose build is missing has no builder: every comparison is false.
#[tokio::test]
async fn a_step_without_a_build_has_no_builder() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "kept").await;
    let orphan = client.add_build("b").await;
    client.new_step(orphan, "orphan").await;
    let sql = server.sql().await;
    sql.disable_foreign_keys().await;
    sql.run(&format!("DELETE FROM builds WHERE id = {orphan}"))
        .await;
    let (kept, orphan, both) = (&["kept"][..], &["orphan"][..], &["kept", "orphan"][..]);
    for (filter, expected) in [
        (json!({ "builderid": { "eq": 1 } }), kept),
        (json!({ "builderid": { "ne": 1 } }), &[][..]),
        (json!({ "builderid": { "ne": 2 } }), kept),
        (json!({ "builderid": { "notIn": [] } }), kept),
        (json!({ "builderid": { "isNull": true } }), orphan),
        (json!({ "builderid": { "isNull": false } }), kept),
        (json!({ "builderName": { "eq": "b" } }), kept),
        (json!({ "builderName": { "ne": "x" } }), kept),
        (json!({ "builderName": { "startsWith": "" } }), kept),
        (
            json!({ "builderName": { "containsIgnoreCase": "B" } }),
            kept,
        ),
        (json!({ "not": { "builderName": { "ne": "x" } } }), orphan),
        (json!({ "not": { "builderid": { "eq": 2 } } }), both),
    ] {
        let query = "query($w: StepFilter) { steps(where: $w) { totalCount nodes { name } } }";
        let data = client.data(query, json!({ "w": filter })).await;
        let names: Vec<Value> = expected
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        assert_eq!(data["steps"]["nodes"], json!(names), "{filter}");
        assert_eq!(data["steps"]["totalCount"], expected.len(), "{filter}");
    }
}

/// How deep a filter nests is counted in the caller's input, not in the SQL it becomes.
#[tokio::test]
async fn every_condition_may_nest_equally_deep() {
    let server = seeded().await;
    for condition in [
        json!({ "stepid": { "isNull": false } }),
        json!({ "complete": true }),
        json!({ "complete": false }),
        json!({ "hidden": true }),
        json!({ "results": { "isNull": true } }),
        json!({ "or": [] , "and": [] }),
    ] {
        let response = steps_where(&server, nested(20, condition.clone())).await;
        assert!(
            response.get("errors").is_none(),
            "{condition}\n{response:#}"
        );
    }
}

/// The largest filter for the most parents still gets a response, not a statement that the database
/// refuses.
#[tokio::test]
async fn a_large_filter_works_for_many_parents() {
    let server = seeded().await;
    let query = "query($w: BuildFilter) { builders { nodes { builds(where: $w) { totalCount nodes { buildid } } } } }";
    let filter = nested(
        20,
        json!({ "or": vec![json!({ "number": { "ge": 1 } }); 400] }),
    );
    let filter = &filter["not"];
    let data = server.client().data(query, json!({ "w": filter })).await;
    let builders = data["builders"]["nodes"].as_array().unwrap();
    let found: usize = builders
        .iter()
        .map(|b| b["builds"]["nodes"].as_array().unwrap().len())
        .sum();
    // Nineteen times `not`.
    assert_eq!((builders.len(), found), (TEXTS.len(), 0));
}
