//! Orders and pages: every list is walked forwards and backwards in every order, and compared with
//! a sort in plain Rust.

mod arguments;
mod forged_cursors;
mod refusals;

use serde_json::{Value, json};

use crate::{
    filter::{
        order,
        seed::{quote, rows, seeded},
    },
    support::{client::Client, server::Server},
};

/// A list query without its page arguments.
pub(crate) struct List<'a> {
    pub(crate) client: &'a Client,
    /// The field that holds the list, such as `builder(builderid: 1)`. None for a root list.
    pub(crate) of: Option<&'a str>,
    pub(crate) field: &'a str,
    /// `where` and `orderBy`.
    pub(crate) arguments: String,
    /// The selection on each row.
    pub(crate) node: &'a str,
}

impl List<'_> {
    /// The connection for these page arguments. Its redundant parts must agree.
    pub(crate) async fn page(&self, page: &str) -> Value {
        let Self {
            field,
            arguments,
            node,
            ..
        } = self;
        let list = format!(
            "list: {field}({arguments} {page}) {{ edges {{ cursor node {{ {node} }} }} nodes {{ {node} }} \
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} totalCount }}"
        );
        let (query, pointer) = match self.of {
            Some(parent) => (
                format!("{{ parent: {parent} {{ {list} }} }}"),
                "/parent/list",
            ),
            None => (format!("{{ {list} }}"), "/list"),
        };
        let mut data = self.client.data(&query, json!({})).await;
        let list = data.pointer_mut(pointer).unwrap().take();
        let edges = list["edges"].as_array().unwrap();
        let nodes: Vec<&Value> = edges.iter().map(|edge| &edge["node"]).collect();
        assert_eq!(json!(nodes), list["nodes"], "{query}");
        let end = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
        assert_eq!(
            list["pageInfo"]["startCursor"],
            end(edges.first()),
            "{query}"
        );
        assert_eq!(list["pageInfo"]["endCursor"], end(edges.last()), "{query}");
        list
    }

    /// Checks that pages of this size, from either end, hold exactly these rows and know whether
    /// there are more.
    pub(crate) async fn holds(&self, expected: &[Value], size: usize) {
        for backward in [false, true] {
            let mut page = if backward {
                format!("last: {size}")
            } else {
                format!("first: {size}")
            };
            let mut left = expected;
            loop {
                let connection = self.page(&page).await;
                let what = format!("{} {page}", self.arguments);
                let middle = size.min(left.len());
                let (here, cursor, other, more);
                if backward {
                    (left, here) = left.split_at(left.len() - middle);
                    (cursor, other, more) = ("startCursor", "hasNextPage", "hasPreviousPage");
                } else {
                    (here, left) = left.split_at(middle);
                    (cursor, other, more) = ("endCursor", "hasPreviousPage", "hasNextPage");
                }
                let info = &connection["pageInfo"];
                assert_eq!(connection["nodes"], json!(here), "{what}");
                assert_eq!(info[more], !left.is_empty(), "{what}");
                assert_eq!(
                    info[other],
                    here.len() + left.len() < expected.len(),
                    "{what}"
                );
                assert_eq!(connection["totalCount"], expected.len(), "{what}");
                if left.is_empty() {
                    break;
                }
                page = if backward {
                    format!("last: {size}, before: {}", info[cursor])
                } else {
                    format!("first: {size}, after: {}", info[cursor])
                };
            }
        }
    }
}

/// An order: the name of each field in rows and in `orderBy`, and whether it descends.
pub(crate) type Keys<'a> = &'a [(&'a str, &'a str, bool)];

pub(crate) fn order_by(keys: Keys<'_>) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|(_, name, descending)| match descending {
            true => format!("{{ field: {name}, direction: DESC }}"),
            // Ascending is the default.
            false => format!("{{ field: {name} }}"),
        })
        .collect();
    format!("orderBy: [{}]", keys.join(", "))
}

/// Orders rows that are sorted by id. Ties stay in order of id, whichever way the order goes.
pub(crate) fn sort(rows: &mut [Value], keys: Keys<'_>) {
    rows.sort_by(|a, b| {
        let one = |(field, _, descending): &(&str, &str, bool)| {
            let ascending = order(&a[*field], &b[*field]);
            if *descending {
                ascending.reverse()
            } else {
                ascending
            }
        };
        keys.iter()
            .map(one)
            .fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
}

pub(crate) fn ids(rows: &[Value], id: &str) -> Vec<Value> {
    rows.iter().map(|row| json!({ id: row[id] })).collect()
}

pub(crate) const BUILDERS: [(&str, &str); 2] = [("builderid", "BUILDERID"), ("name", "NAME")];
pub(crate) const BUILDS: [(&str, &str); 4] = [
    ("buildid", "BUILDID"),
    ("number", "NUMBER"),
    ("startedAt", "STARTED_AT"),
    ("completeAt", "COMPLETE_AT"),
];
pub(crate) const STEPS: [(&str, &str); 5] = [
    ("stepid", "STEPID"),
    ("number", "NUMBER"),
    ("name", "NAME"),
    ("startedAt", "STARTED_AT"),
    ("completeAt", "COMPLETE_AT"),
];

/// Every order of one key and of two keys, and one of all keys.
fn orders<'a>(fields: &[(&'a str, &'a str)]) -> Vec<Vec<(&'a str, &'a str, bool)>> {
    let one: Vec<_> = fields
        .iter()
        .flat_map(|(field, name)| [false, true].map(|descending| (*field, *name, descending)))
        .collect();
    let two = one
        .iter()
        .flat_map(|first| one.iter().map(move |second| vec![*first, *second]))
        .filter(|keys| keys[0].0 != keys[1].0);
    let all = fields.iter().rev().map(|(f, n)| (*f, *n, true)).collect();
    one.iter()
        .map(|key| vec![*key])
        .chain(two)
        .chain([all])
        .collect()
}

async fn walk(server: &Server, field: &str, id: &str, fields: &[(&str, &str)]) {
    let client = server.client();
    for (i, keys) in orders(fields).iter().enumerate() {
        let mut rows = rows(server, field).await;
        sort(&mut rows, keys);
        let list = List {
            client: &client,
            of: None,
            field,
            arguments: order_by(keys),
            node: id,
        };
        // The smallest pages for single keys, and everything at once; larger pages for
        // combinations.
        let sizes: &[usize] = if keys.len() == 1 {
            &[1 + i % 3, rows.len()]
        } else {
            &[5 + i % 7]
        };
        for size in sizes {
            list.holds(&ids(&rows, id), *size).await;
        }
    }
}

#[tokio::test]
async fn builders_page_in_every_order() {
    walk(&seeded().await, "builders", "builderid", &BUILDERS).await;
}

#[tokio::test]
async fn builds_page_in_every_order() {
    walk(&seeded().await, "builds", "buildid", &BUILDS).await;
}

#[tokio::test]
async fn steps_page_in_every_order() {
    walk(&seeded().await, "steps", "stepid", &STEPS).await;
}

/// Uses a handful of rows and no reference but the rule itself.
#[tokio::test]
async fn text_sorts_by_code_point_and_null_first() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let mut rows = Vec::new();
    for (i, (name, started)) in [
        ("🙂", "2"),
        ("é", "NULL"),
        ("a", "1"),
        ("日", "NULL"),
        ("Z", "1"),
    ]
    .iter()
    .enumerate()
    {
        rows.push(format!(
            "({i}, {}, {build}, {started}, '', '[]')",
            quote(name)
        ));
    }
    let insert =
        "INSERT INTO steps (number, name, buildid, started_at, state_string, urls_json) VALUES";
    server
        .sql()
        .await
        .run(&format!("{insert} {}", rows.join(", ")))
        .await;
    for (keys, expected) in [
        ("{ field: NAME }", ["Z", "a", "é", "日", "🙂"]),
        (
            "{ field: NAME, direction: DESC }",
            ["🙂", "日", "é", "a", "Z"],
        ),
        ("{ field: STARTED_AT }", ["é", "日", "a", "Z", "🙂"]),
        (
            "{ field: STARTED_AT, direction: DESC }",
            ["🙂", "a", "Z", "é", "日"],
        ),
        ("[]", ["🙂", "é", "a", "日", "Z"]),
        ("null", ["🙂", "é", "a", "日", "Z"]),
    ] {
        let expected = expected.map(|name| json!({ "name": name }));
        let list = List {
            client: &client,
            of: None,
            field: "steps",
            arguments: format!("orderBy: {keys}"),
            node: "name",
        };
        list.holds(&expected, 2).await;
        let query =
            format!("{{ build(buildid: {build}) {{ steps(orderBy: {keys}) {{ name }} }} }}");
        let data = client.data(&query, json!({})).await;
        assert_eq!(data["build"]["steps"], json!(expected), "{keys}");
    }
}

#[tokio::test]
async fn filters_and_parents_narrow_a_paged_list() {
    let server = seeded().await;
    let client = server.client();
    for (i, keys) in orders(&BUILDS).iter().enumerate().step_by(3) {
        let builder = 1 + i % 4;
        let of_builder = format!("builder(builderid: {builder})");
        let mut rows = rows(&server, "builds").await;
        sort(&mut rows, keys);
        for (of, filter) in [
            (None, "complete: false"),
            (Some(&*of_builder), ""),
            (Some(&*of_builder), "complete: true"),
        ] {
            let expected: Vec<Value> = rows
                .iter()
                .filter(|row| of.is_none() || row["builderid"] == builder)
                .filter(|row| {
                    filter.is_empty() || row["completeAt"].is_null() == filter.contains("false")
                })
                .cloned()
                .collect();
            let list = List {
                client: &client,
                of,
                field: "builds",
                arguments: format!("where: {{ {filter} }}, {}", order_by(keys)),
                node: "buildid",
            };
            assert!(!expected.is_empty(), "{filter}");
            list.holds(&ids(&expected, "buildid"), 3).await;
        }
    }
}
