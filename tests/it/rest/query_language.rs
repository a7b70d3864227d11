//! The query language over our own database, against a reference that filters, orders and pages the
//! same rows in plain Rust.

use std::cmp::Ordering;

use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::Rest;
use crate::filter::{
    order,
    seed::{TAGS, TEXTS, TIMES, seeded},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Flag,
    Text,
    Name,
    Numbers,
    Texts,
}

use Kind::{Flag, Name, Number, Numbers, Text, Texts};

struct List {
    path: &'static str,
    plural: &'static str,
    id: &'static str,
    sql: &'static str,
    fields: &'static [(&'static str, Kind)],
    /// The fields that make an order total.
    ties: &'static [&'static str],
}

const LISTS: [List; 3] = [
    List {
        path: "/api/v2/builders",
        plural: "builders",
        id: "builderid",
        sql: "SELECT json_object('builderid', id, 'name', name, 'description', description, 'projectid', projectid) AS json \
              FROM builders ORDER BY id",
        fields: &[
            ("builderid", Number),
            ("name", Text),
            ("description", Text),
            ("projectid", Number),
            ("masterids", Numbers),
            ("tags", Texts),
        ],
        ties: &["builderid"],
    },
    List {
        path: "/api/v2/builds",
        plural: "builds",
        id: "buildid",
        sql: "SELECT json_object('buildid', id, 'number', number, 'builderid', builderid, 'buildrequestid', buildrequestid, \
              'workerid', workerid, 'masterid', masterid, 'started_at', started_at, 'complete_at', complete_at, \
              'complete', CASE WHEN complete_at IS NULL THEN 0 ELSE 1 END, 'locks_duration_s', locks_duration_s, \
              'state_string', state_string, 'results', results) AS json FROM builds ORDER BY id",
        fields: &[
            ("buildid", Number),
            ("number", Number),
            ("builderid", Number),
            ("buildrequestid", Number),
            ("workerid", Number),
            ("masterid", Number),
            ("started_at", Number),
            ("complete_at", Number),
            ("complete", Flag),
            ("locks_duration_s", Number),
            ("state_string", Text),
            ("results", Number),
        ],
        ties: &["buildid"],
    },
    List {
        path: "/api/v2/builds/3/steps",
        plural: "steps",
        id: "stepid",
        sql: "SELECT json_object('stepid', id, 'buildid', buildid, 'number', number, 'name', name, 'started_at', started_at, \
              'locks_acquired_at', locks_acquired_at, 'complete_at', complete_at, \
              'complete', CASE WHEN complete_at IS NULL THEN 0 ELSE 1 END, 'state_string', state_string, 'results', results, \
              'hidden', hidden) AS json FROM steps WHERE buildid = 3 ORDER BY number",
        fields: &[
            ("stepid", Number),
            ("buildid", Number),
            ("number", Number),
            ("name", Name),
            ("started_at", Number),
            ("locks_acquired_at", Number),
            ("complete_at", Number),
            ("complete", Flag),
            ("state_string", Text),
            ("results", Number),
            ("hidden", Flag),
        ],
        ties: &["number", "stepid"],
    },
];

const OPERATORS: [&str; 9] = [
    "eq", "ne", "lt", "le", "gt", "ge", "contains", "in", "notin",
];

async fn rows(server: &crate::support::server::Server, list: &List) -> Vec<Value> {
    let sql = server.sql().await;
    let mut rows = sql.rows(list.sql).await;
    if list.plural == "builders" {
        let tags = "SELECT json_array(builderid, t.name) AS json FROM builders_tags x JOIN tags t ON t.id = tagid ORDER BY x.id";
        let tags = sql.rows(tags).await;
        for row in &mut rows {
            let of = tags.iter().filter(|tag| tag[0] == row["builderid"]);
            row["tags"] = of.map(|tag| tag[1].clone()).collect();
            row["masterids"] = json!([]);
        }
    }
    rows
}

/// Interesting values, as they are written in a URL.
fn values(kind: Kind, nullable: bool) -> Vec<String> {
    let mut values: Vec<String> = match kind {
        Number | Numbers => {
            let mut numbers = vec![
                "0".into(),
                "1".into(),
                "2".into(),
                "3".into(),
                "11".into(),
                "-1".into(),
                "90".into(),
                " 1_0 ".into(),
                "+007".into(),
                "-9223372036854775808".into(),
                "9223372036854775807".into(),
                "9223372036854775808".into(),
                "-99999999999999999999".into(),
            ];
            numbers.extend(TIMES.map(|(time, _)| time.to_string()));
            numbers
        }
        Flag => ["true", "FALSE", "on", "0"].map(str::to_owned).into(),
        Text => TEXTS.map(str::to_owned).into(),
        Name => ["A", "A_b", "a", "a_b", "e", "Z", "_"]
            .map(str::to_owned)
            .into(),
        Texts => TAGS.map(str::to_owned).into(),
    };
    if nullable {
        values.push("null".into());
    }
    values
}

/// A value as the rows hold it. Numbers are parsed as the widest type.
fn plain(kind: Kind, text: &str) -> Value {
    match kind {
        Number | Numbers => {
            let number: i128 = text.trim().replace('_', "").parse().unwrap();
            // Beyond the range of every row, all values are equivalent.
            let wide =
                i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX });
            json!(wide)
        }
        Flag => json!(i32::from(["true", "on"].contains(&text))),
        Text | Name | Texts => json!(text),
    }
}

fn passes(
    list: &List,
    (kind, nullable): (Kind, bool),
    operator: &str,
    given: &[&str],
    actual: &Value,
) -> bool {
    let is_null = |text: &&str| nullable && **text == *"null";
    let has_null = given.iter().any(&is_null);
    let values: Vec<Value> = given
        .iter()
        .filter(|text| !is_null(text))
        .map(|text| plain(kind, text))
        .collect();
    if let Value::Array(elements) = actual {
        return match operator {
            "ne" | "notin" => true,
            "contains" => values.iter().any(|value| elements.contains(value)),
            _ => false,
        };
    }
    let compared = |holds: fn(Ordering) -> bool| {
        !actual.is_null() && !has_null && values.iter().all(|value| holds(order(actual, value)))
    };
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    match operator {
        "eq" | "in" if actual.is_null() => has_null,
        "eq" | "in" => values.contains(actual),
        // Buildbot compares builds in SQL, and all else in Python.
        "ne" | "notin" if actual.is_null() => list.plural != "builds" && !has_null,
        "ne" | "notin" => !values.contains(actual),
        "lt" => compared(Ordering::is_lt),
        "le" => compared(Ordering::is_le),
        "gt" => compared(Ordering::is_gt),
        "ge" => compared(Ordering::is_ge),
        _ => {
            !actual.is_null()
                && values
                    .iter()
                    .any(|value| text(actual).contains(&text(value)))
        }
    }
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn is_nullable(list: &List, field: &str) -> bool {
    let nullable: &[&str] = match list.plural {
        "builders" => &["description", "projectid"],
        "builds" => &[
            "buildrequestid",
            "workerid",
            "masterid",
            "complete_at",
            "results",
        ],
        _ => &["started_at", "locks_acquired_at", "complete_at", "results"],
    };
    nullable.contains(&field)
}

#[tokio::test]
async fn every_operator_of_every_field_matches_the_reference() {
    let server = seeded().await;
    let rest = Rest::of(&server);
    for list in &LISTS {
        let rows = rows(&server, list).await;
        let (mut telling, mut asked) = (0, 0);
        for (field, kind) in list.fields {
            let nullable = is_nullable(list, field);
            let values = values(*kind, nullable);
            for operator in OPERATORS {
                let is_list = matches!(kind, Numbers | Texts);
                if is_list && ["lt", "le", "gt", "ge"].contains(&operator)
                    || *kind == Flag && operator == "contains"
                {
                    let path = format!("{}?{field}__{operator}={}", list.path, values[0]);
                    assert_eq!(rest.refused(&path).await.0, 400, "{path}");
                    continue;
                }
                let singles = values.iter().map(|value| vec![value.as_str()]);
                let pairs = values
                    .windows(2)
                    .map(|two| vec![two[0].as_str(), two[1].as_str()]);
                for given in singles.chain(pairs) {
                    let each = given
                        .iter()
                        .map(|value| format!("&{field}__{operator}={}", encoded(value)));
                    let path = format!(
                        "{}?field={field}&field={}{}",
                        list.path,
                        list.id,
                        each.collect::<String>()
                    );
                    let body = rest.found(&path).await;
                    let expected: Value = rows
                        .iter()
                        .filter(|row| {
                            passes(list, (*kind, nullable), operator, &given, &row[field])
                        })
                        .map(|row| row[list.id].clone())
                        .collect();
                    let found: Value = body[list.plural]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|row| row[list.id].clone())
                        .collect();
                    assert_eq!(found, expected, "{path}");
                    let n = expected.as_array().unwrap().len();
                    assert_eq!(body["meta"], json!({ "total": n }), "{path}");
                    asked += 1;
                    telling += usize::from(n > 0 && n < rows.len());
                }
            }
        }
        assert!(telling > asked / 8, "{}: {telling} of {asked}", list.plural);
    }
}

#[tokio::test]
async fn every_order_and_its_pages_match_the_reference() {
    let server = seeded().await;
    let rest = Rest::of(&server);
    for list in &LISTS {
        let rows = rows(&server, list).await;
        let mut keys: Vec<Vec<(&str, bool)>> = Vec::new();
        for (i, (field, _)) in list.fields.iter().enumerate() {
            let (other, _) = list.fields[(i + 3) % list.fields.len()];
            keys.extend([
                vec![(*field, false)],
                vec![(*field, true)],
                vec![(*field, true), (other, false)],
            ]);
        }
        for keys in keys {
            let mut expected = rows.clone();
            expected.sort_by(|a, b| {
                let ties = list.ties.iter().map(|tie| (*tie, false));
                let mut all = keys.iter().copied().chain(ties);
                all.find_map(|(field, down)| {
                    let ordering = ranked(&a[field], &b[field]);
                    Some(if down { ordering.reverse() } else { ordering }).filter(|o| o.is_ne())
                })
                .unwrap_or(Ordering::Equal)
            });
            let named = keys
                .iter()
                .map(|(field, down)| format!("order={}{field}&", if *down { "-" } else { "" }));
            let named: String = named.collect();
            for (limit, offset) in [
                (1_000, 0),
                (1, 0),
                (2, 3),
                (5, 7),
                (0, 0),
                (3, rows.len() - 1),
                (3, 1_000),
            ] {
                let path = format!("{}?{named}limit={limit}&offset={offset}", list.path);
                let body = rest.found(&path).await;
                let ids = |rows: &mut dyn Iterator<Item = &Value>| {
                    rows.map(|row| row[list.id].clone()).collect::<Value>()
                };
                let found = ids(&mut body[list.plural].as_array().unwrap().iter());
                assert_eq!(
                    found,
                    ids(&mut expected.iter().skip(offset).take(limit)),
                    "{path}"
                );
                assert_eq!(body["meta"], json!({ "total": rows.len() }), "{path}");
            }
        }
    }
}

/// Compares lists element by element.
fn ranked(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            let first = a
                .iter()
                .zip(b)
                .map(|(a, b)| order(a, b))
                .find(|o| o.is_ne());
            first.unwrap_or(a.len().cmp(&b.len()))
        }
        _ => order(a, b),
    }
}
