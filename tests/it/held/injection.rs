//! Injection: a hostile text is a value wherever it is sent, on every database. It is stored and
//! found as it is, or refused by a rule of the API; the tables stay as they were, and no response
//! tells of SQL.

use reqwest::{Client as Http, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::support::{client::Client, server::Server, sql::Sql};

/// Each would change a statement, a pattern or a line if it were not a value.
const TEXTS: [&str; 36] = [
    // Ends of strings, with what SQL, MariaDB's modes and PostgreSQL's quotes make of them.
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "\\\\'",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "' OR 1=1 -- ",
    "\\' OR 1=1 -- ",
    "' OR 1=1 #",
    "' OR 1=1 /*",
    "') OR ('1'='1",
    "$$; DROP TABLE steps; $$",
    "E'\\''",
    // Stacked statements and unions.
    "'; DROP TABLE steps; --",
    "'; UPDATE builds SET results = 6; --",
    "1; DELETE FROM steps",
    "' UNION SELECT hash FROM graphql_tokens --",
    "0 UNION SELECT 1, name FROM graphql_tokens",
    "'; SELECT pg_sleep(30); --",
    "' AND SLEEP(30) AND '",
    "'||(SELECT load_extension('x'))||'",
    "*/ OR 1=1 /*!50000 OR 1 */",
    // Patterns, placeholders and formats.
    "%",
    "_",
    "%' ESCAPE '%",
    "[a-z]*",
    "?1 $1 :name @p",
    "%s %n {} {0} ${jndi:ldap://x}",
    // Texts that only look alike.
    "\u{2019} OR 1=1 --",
    "\u{ff07} OR 1=1 --",
    "\u{202e}' OR 1=1 --\u{feff}",
    // What GraphQL and JSON would read.
    "\") { builderid } } #",
    "\"}],\"x\":[{\"\u{2028}",
];

/// Texts of which no builder's name, but a state string may be made.
const LINES: [&str; 4] = [
    "a\r\nX-Injected: 1",
    "a\n2026-11-27 ERROR forged",
    "\u{1b}[2K\u{1b}]0;x\u{7}",
    "\u{85}\u{1}",
];

/// What the tables hold, as numbers that every injection above would change.
async fn fingerprint(sql: &Sql) -> Vec<i64> {
    let mut found = Vec::new();
    for query in [
        "SELECT COUNT(*) AS n FROM builders",
        "SELECT COUNT(*) AS n FROM builds WHERE results IS NULL",
        "SELECT COUNT(*) AS n FROM steps WHERE hidden = 0",
        "SELECT COUNT(*) AS n FROM graphql_tokens",
    ] {
        found.push(sql.number(query).await);
    }
    found
}

fn check_silence(text: &str, response: &str) {
    for inside in [
        "SELECT COUNT",
        "sqlx",
        "near \"",
        "SQLSTATE",
        "unrecognized token",
    ] {
        assert!(!response.contains(inside), "{text}: {response}");
    }
}

/// The rows of the list that the filter finds.
async fn found(client: &Client, list: &str, of: &str, filter: Value) -> Value {
    let query = format!("query($w: {of}) {{ {list}(where: $w) {{ totalCount }} }}");
    let data = client.data(&query, json!({ "w": filter })).await;
    data[list]["totalCount"].clone()
}

/// A server with a build that has one step, and its client.
async fn attacked() -> (Server, Client, i64) {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "s").await;
    (server, client, build)
}

#[tokio::test]
async fn a_stored_text_is_found_as_it_is_and_alone() {
    let (server, client, build) = attacked().await;
    let (stepid, _) = client.new_step(build, "target").await;
    let sql = server.sql().await;
    let before = fingerprint(&sql).await;
    for text in TEXTS.iter().chain(&LINES) {
        client.set_state(stepid, text).await;
        let read = format!("{{ step(stepid: {stepid}) {{ stateString }} }}");
        let stored = client.data(&read, json!({})).await;
        assert_eq!(stored["step"]["stateString"], *text);
        for (filter, expected) in [
            (json!({ "eq": text }), 1),
            (json!({ "in": [text, "nothing"] }), 1),
            (json!({ "contains": text }), 1),
            (json!({ "ne": text }), 1),
            (json!({ "notIn": [text] }), 1),
            // One more character, so it is nowhere.
            (json!({ "contains": format!("{text}x") }), 0),
        ] {
            let filter = json!({ "stateString": filter });
            let count = found(&client, "steps", "StepFilter", filter.clone()).await;
            assert_eq!(count, expected, "{text}: {filter}");
        }
        // The same as a literal: JSON's escapes are GraphQL's.
        let literal = Value::from(*text);
        let query =
            format!("{{ steps(where: {{ stateString: {{ eq: {literal} }} }}) {{ totalCount }} }}");
        let data = client.data(&query, json!({})).await;
        assert_eq!(data["steps"]["totalCount"], 1, "{text}");
    }
    assert_eq!(fingerprint(&sql).await, before);
}

#[tokio::test]
async fn a_builders_name_is_a_value() {
    let (server, client, _) = attacked().await;
    let sql = server.sql().await;
    let find = "mutation($n: String!) { findBuilder(name: $n) { builderid name } }";
    let read = "query($n: String!) { builder(name: $n) { builderid name } }";
    for text in TEXTS {
        let missing = client.data(read, json!({ "n": text })).await;
        assert_eq!(missing["builder"], Value::Null, "{text}");
        let made = client.data(find, json!({ "n": text })).await;
        assert_eq!(made["findBuilder"]["name"], text);
        let again = client.data(read, json!({ "n": text })).await;
        assert_eq!(again["builder"], made["findBuilder"], "{text}");
        let filter = json!({ "name": { "eq": text } });
        assert_eq!(
            found(&client, "builders", "BuilderFilter", filter).await,
            1,
            "{text}"
        );
        let filter = json!({ "tags": { "contains": text } });
        assert_eq!(
            found(&client, "builders", "BuilderFilter", filter).await,
            0,
            "{text}"
        );
    }
    for text in LINES.iter().chain(&["a\0b", ""]) {
        let (code, message) = client.error(find, json!({ "n": text })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{text:?}");
        check_silence(text, &message);
    }
    let builders = "SELECT COUNT(*) AS n FROM builders";
    assert_eq!(
        sql.number(builders).await,
        1 + i64::try_from(TEXTS.len()).unwrap()
    );
}

/// Arguments that are no plain texts: each hostile text is refused, by a rule of the API.
#[tokio::test]
async fn ids_cursors_names_and_enums_are_no_sql() {
    let (server, client, build) = attacked().await;
    let sql = server.sql().await;
    let before = fingerprint(&sql).await;
    for text in TEXTS.iter().chain(&LINES).chain(&["a\0b"]) {
        // With a space behind it, none is a name or a number.
        let text = &format!("{text} ");
        for (query, ty) in [
            ("query($x: T) { node(id: $x) { id } }", "ID!"),
            (
                "query($x: T) { builds(after: $x) { totalCount } }",
                "String",
            ),
            (
                "query($x: T) { steps(before: $x) { totalCount } }",
                "String",
            ),
            (
                "query($x: T) { steps(orderBy: [{ field: $x }]) { totalCount } }",
                "StepOrderField!",
            ),
            (
                "query($x: T) { steps(orderBy: [{ field: NAME, direction: $x }]) { totalCount } }",
                "OrderDirection!",
            ),
            ("query($x: T) { build(buildid: $x) { number } }", "Int!"),
            (
                "query($x: T) { steps(where: { startedAt: { gt: $x } }) { totalCount } }",
                "DateTime",
            ),
            (
                "mutation($x: T) { newStep(buildid: 1, name: $x) { cursor } }",
                "String!",
            ),
        ] {
            let response = client
                .execute(
                    &query.replace("T)", &format!("{ty})")),
                    json!({ "x": text }),
                )
                .await;
            assert!(
                response["errors"].is_array(),
                "{query}, {text:?}: {response:#}"
            );
            check_silence(text, &response.to_string());
        }
        // A step's name or number is read, and then there is no such step.
        let named = "query($b: Int!, $x: NameOrNumber!) { build(buildid: $b) { step(nameOrNumber: $x) { stepid } } }";
        let response = client
            .execute(named, json!({ "b": build, "x": text }))
            .await;
        assert_eq!(
            response["data"]["build"]["step"],
            Value::Null,
            "{text:?}: {response:#}"
        );
        check_silence(text, &response.to_string());
        // Names that are not in the schema, spelled as they are.
        for query in [
            format!("{{ steps {{ {text} }} }}"),
            format!("{{ {text} }}"),
            format!("{{ steps(where: {{ {text}: 1 }}) {{ totalCount }} }}"),
        ] {
            let response = client.execute(&query, json!({})).await;
            assert!(response["errors"].is_array(), "{query}: {response:#}");
            check_silence(text, &response.to_string());
        }
        let operation = json!({ "query": "{ __typename }", "operationName": text });
        let response = client
            .http
            .post(&client.url)
            .json(&operation)
            .send()
            .await
            .unwrap();
        check_silence(text, &response.text().await.unwrap());
    }
    assert_eq!(fingerprint(&sql).await, before);
}

/// NUL ends a text in C, and PostgreSQL stores none.
#[tokio::test]
async fn nul_is_refused_or_matches_nothing() {
    let (_server, client, _) = attacked().await;
    let set = "mutation($t: String!) { setStepStateString(stepid: 1, stateString: $t) { cursor } }";
    for text in ["\0", "a\0b", "created\0"] {
        let (code, _) = client.error(set, json!({ "t": text })).await;
        assert_eq!(code, "BAD_USER_INPUT");
        for operator in ["eq", "contains"] {
            let filter = json!({ "stateString": { operator: text } });
            assert_eq!(found(&client, "steps", "StepFilter", filter).await, 0);
        }
    }
}

/// A GET of a path, percent-encoded or as it is.
fn get(http: &Http, server: &Server, path: &str) -> RequestBuilder {
    http.request(Method::GET, format!("http://{}{path}", server.address))
}

#[tokio::test]
async fn rests_paths_and_parameters_are_values() {
    let (server, client, _) = attacked().await;
    let sql = server.sql().await;
    let before = fingerprint(&sql).await;
    let http = Http::new();
    for text in TEXTS.iter().chain(&LINES).chain(&["a\0b"]) {
        let encoded: String = byte_serialize(text.as_bytes()).collect();
        let path = encoded.replace('+', "%20");
        // Decoded once and no more.
        let twice = path.replace('%', "%25");
        for path in [&path, &twice] {
            for (at, statuses) in [
                (format!("/api/v2/builders/{path}"), [404, 400]),
                (format!("/api/v2/builds/{path}"), [404, 400]),
                (format!("/api/v2/builds/1/steps/{path}"), [404, 400]),
                (format!("/api/v2/{path}"), [404, 400]),
                (format!("/api/v2/builds?order={path}"), [400, 200]),
                (format!("/api/v2/builds?order=-{path}"), [400, 200]),
                (format!("/api/v2/builds?field={path}"), [400, 200]),
                (format!("/api/v2/builds?limit={path}"), [400, 400]),
                (format!("/api/v2/builds?offset={path}"), [400, 400]),
                (format!("/api/v2/builds?buildid={path}"), [400, 200]),
                (format!("/api/v2/builds?number__gt={path}"), [400, 200]),
                (format!("/api/v2/builds?{path}=1"), [400, 200]),
                (format!("/api/v2/builds?state_string__{path}=1"), [400, 200]),
                (format!("/api/v2/builds?property={path}"), [200, 400]),
            ] {
                let response = get(&http, &server, &at).send().await.unwrap();
                let status = response.status().as_u16();
                let injected = response.headers().contains_key("x-injected");
                let body = response.text().await.unwrap();
                assert!(statuses.contains(&status), "{at}: {status} {body}");
                assert!(!injected, "{at}");
                check_silence(text, &body);
            }
        }
        for operator in ["", "__eq", "__contains", "__ge"] {
            let at = format!("/api/v2/builds?state_string{operator}={encoded}&buildid=7");
            let response = get(&http, &server, &at).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{at}");
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["builds"], json!([]), "{at}");
        }
    }
    // An overlong or broken encoding is no character.
    for broken in ["%C0%A7", "%27%FF", "%ED%A0%80", "%E0%80%A7"] {
        let at = format!("/api/v2/builds?state_string={broken}");
        let response = get(&http, &server, &at).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{broken}");
    }
    assert_eq!(fingerprint(&sql).await, before);
    drop(client);
}

#[tokio::test]
async fn an_idempotency_key_is_a_value() {
    let (server, client, build) = attacked().await;
    let sql = server.sql().await;
    let before = fingerprint(&sql).await;
    let body = json!({
        "query": "mutation($b: Int!) { setBuildStateString(buildid: $b, stateString: \"s\") { build { number } } }",
        "variables": { "b": build },
    });
    for text in TEXTS {
        let mut keyed = body.clone();
        keyed["extensions"] = json!({ "idempotencyKey": text });
        let sent = client.http.post(&client.url).json(&keyed).send();
        let response = sent.await.unwrap().text().await.unwrap();
        check_silence(text, &response);
        let again = client.http.post(&client.url).json(&keyed).send();
        assert_eq!(
            again
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
                .contains("\"errors\""),
            response.contains("\"errors\""),
            "{text}"
        );
    }
    assert_eq!(fingerprint(&sql).await, before);
}
