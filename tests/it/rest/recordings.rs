//! The recorded responses of a real Buildbot 4.3 over two databases, compared with ours over the
//! same rows: on SQLite over the files themselves, elsewhere over Buildbot's own tables.

use std::{collections::HashSet, fs};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Rest, data,
    differences::{LIVE, Ours, Rule, SYNTHETIC},
};
use crate::{
    master::sqlite::load,
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
    },
};

/// The origin of the recorded master.
const ITS_ORIGIN: &str = "http://127.0.0.1:18010";

/// SQLite keeps names, times and orphans that Buildbot's tables refuse elsewhere. To compare
/// responses, the constraints are loosened.
const LOOSEN_POSTGRES: &str = "ALTER TABLE steps ALTER COLUMN name TYPE varchar(100), ALTER COLUMN started_at TYPE bigint, \
    ALTER COLUMN locks_acquired_at TYPE bigint, ALTER COLUMN complete_at TYPE bigint, DROP CONSTRAINT steps_buildid_fkey; \
    ALTER TABLE builds DROP CONSTRAINT builds_builderid_fkey; CREATE SEQUENCE builder_masters_id_seq OWNED BY builder_masters.id";
const MARIADB_LETS_IN: &str = "ALTER TABLE steps DROP FOREIGN KEY steps_ibfk_1, DROP INDEX steps_name, MODIFY name varchar(100) NOT NULL, \
    MODIFY started_at bigint, MODIFY locks_acquired_at bigint, MODIFY complete_at bigint; \
    ALTER TABLE builds DROP FOREIGN KEY builds_ibfk_1";

/// A server over the rows of this file.
pub(super) async fn serve(file: &str, flags: &[&str]) -> Server {
    let file = data(file);
    let (schema, lets_in) = match kind() {
        Kind::Sqlite => return Server::over_copy_of(&file, flags).await,
        Kind::Postgres => (
            include_str!("../../data/buildbot-postgresql.sql"),
            LOOSEN_POSTGRES,
        ),
        Kind::Mariadb => (
            include_str!("../../data/buildbot-mariadb.sql"),
            MARIADB_LETS_IN,
        ),
    };
    let database = Database::fresh().await;
    let sql = Sql::open(&database).await;
    sql.run(schema).await;
    sql.run(lets_in).await;
    sql.run("INSERT INTO alembic_version VALUES ('067')").await;
    load::copy_all(&file, &sql).await;
    let clock = buildbot_graphql::testing::Clock::System;
    Server::on(database, flags, clock, None).await
}

/// Every recorded request with its response.
pub(super) fn recorded(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(data(name)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The rows of a response, whatever their plural name.
fn rows(body: &Value) -> &Vec<Value> {
    let lists = body.as_object().unwrap().iter();
    let (_, rows) = lists.into_iter().find(|(name, _)| *name != "meta").unwrap();
    rows.as_array().unwrap()
}

async fn replay(file: &str, recording: &str, rules: &[Rule]) {
    let server = serve(file, &["--allow-origin", ITS_ORIGIN]).await;
    let rest = Rest::of(&server);
    let mut unused: HashSet<&str> = HashSet::new();
    for rule in rules {
        unused.extend(rule.requests.iter().map(|(request, _)| *request));
    }
    let mut wrong = Vec::new();
    for record in recorded(recording) {
        let request = record["request"].as_str().unwrap();
        let (method, path) = request.split_once(' ').unwrap();
        let given = record["request_headers"].as_object();
        let headers: Vec<(&str, &str)> = given.map_or_else(
            || vec![("Accept", "application/json")],
            |given| {
                let headers = given.iter();
                headers
                    .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                    .collect()
            },
        );
        let response = rest.send(method.parse().unwrap(), path, &headers).await;
        let status = response.status().as_u16();
        let media = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(media, "application/json; charset=utf-8", "{request}");
        for name in ["origin", "headers"].map(|n| format!("access-control-allow-{n}")) {
            let ours = response.headers().get(&name).map(|v| v.to_str().unwrap());
            // Buildbot has no tokens.
            let ours = ours.map(|ours| ours.trim_start_matches("Authorization, "));
            assert_eq!(ours, record["headers"][&name].as_str(), "{request}: {name}");
        }
        let text = response.text().await.unwrap();
        if method == "HEAD" {
            assert_eq!((status, text), (404, String::new()));
            continue;
        }
        let body: Value = serde_json::from_str(&text).unwrap();
        let short = path.trim_start_matches("/api/v2");
        let allowed = rules
            .iter()
            .flat_map(|rule| rule.requests.iter().map(move |r| (rule.name, r)))
            .find(|(_, (departing, _))| *departing == short);
        let was = &record["status"];
        let (name, fits) = match allowed {
            None if *was == 200 => ("equal", status == 200 && body == record["body"]),
            None => ("equal", *was == status && is_error(&body)),
            Some((name, (request, ours))) => {
                unused.remove(request);
                (name, find_departure(status, &body, ours, &record["body"]))
            }
        };
        if !fits {
            wrong.push(format!(
                "{request} ({name}): {status} {body}\nwas {was} {}",
                record["body"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unused.is_empty(), "no such recorded request: {unused:?}");
}

fn is_error(body: &Value) -> bool {
    body["error"].as_str().is_some_and(|text| !text.is_empty())
}

fn find_departure(status: u16, body: &Value, ours: &Ours, was: &Value) -> bool {
    match ours {
        Ours::Refused(wanted) => status == *wanted && is_error(body),
        Ours::Total(total) => {
            let mut expected = was.clone();
            assert_ne!(expected["meta"]["total"], json!(total), "no departure");
            expected["meta"]["total"] = json!(total);
            status == 200 && *body == expected
        }
        Ours::Rows(column, values) => {
            let expected: Value = serde_json::from_str(values).unwrap();
            let values: Value = rows(body).iter().map(|row| row[column].clone()).collect();
            let total = &body["meta"]["total"];
            status == 200 && values == expected && (total.is_null() || *total == rows(body).len())
        }
    }
}

#[tokio::test]
async fn responses_match_a_real_masters() {
    replay("live.sqlite", "rest.jsonl", LIVE).await;
}

#[tokio::test]
async fn responses_match_for_synthetic_rows() {
    replay("synthetic.sqlite", "rest-synthetic.jsonl", SYNTHETIC).await;
}

/// `/api/latest` is an alias, and nothing else exists below `/api`.
#[tokio::test]
async fn api_versions() {
    let server = serve("live.sqlite", &[]).await;
    let rest = Rest::of(&server);
    for path in ["/builds?limit=3", "/steps/64", "/builders/plain/builds"] {
        let [v2, latest] = ["v2", "latest"].map(|version| format!("/api/{version}{path}"));
        assert_eq!(rest.found(&v2).await, rest.found(&latest).await);
    }
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v3/builds",
        "/api/v2//",
        "/api/V2/builds",
        "/api/v2//builds",
        "/api/v2/builds/",
        "/api/v2/builds//steps",
        "/api/v2/builds/15/steps/",
        "/api/v2/nothing",
        "/api/v2/steps",
        "/api/v2/builds/15/logs",
    ] {
        assert_eq!(rest.refused(path).await.0, 404, "{path}");
    }
}

/// Checks the value and source of each requested property.
#[tokio::test]
async fn properties_have_values_and_sources() {
    let server = serve("live.sqlite", &[]).await;
    let rest = Rest::of(&server);
    let of = async |query: &str| {
        let body = rest.found(&format!("/api/v2/builds/1?{query}")).await;
        body["builds"][0]["properties"].clone()
    };
    let (name, scheduler) = (
        json!(["retry-me", "Builder"]),
        json!(["force", "Scheduler"]),
    );
    assert_eq!(of("").await, json!({}));
    assert_eq!(of("property=nothing").await, json!({}));
    assert_eq!(of("property=BUILDERNAME").await, json!({}));
    assert_eq!(
        of("property=buildername").await,
        json!({ "buildername": name })
    );
    assert_eq!(
        of("property=buildername&property=scheduler").await,
        json!({ "buildername": name, "scheduler": scheduler })
    );
    let all = of("property=x&property=*").await;
    assert_eq!(all["builderid"], json!([8, "Builder"]), "{all}");
    assert!(all.as_object().unwrap().len() > 8, "{all}");
    let list = rest
        .found("/api/v2/builds?property=builderid&field=properties&limit=2")
        .await;
    assert_eq!(
        list["builds"][0],
        json!({ "properties": { "builderid": [8, "Builder"] } })
    );
    // Accepted without effect where there are no properties.
    assert_eq!(
        rest.send(Method::GET, "/api/v2/steps/1?property=x", &[])
            .await
            .status(),
        200
    );
}
