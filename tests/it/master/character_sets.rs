//! Buildbot's tables in other character sets than our own, as an old MariaDB made them.

use buildbot_graphql::testing::Clock;
use serde_json::{Value, json};

use crate::{
    attach::run,
    feed::{after, newest_cursor},
    master::server::{expect_compared_alike, master_of},
    support::{
        database::{Database, Kind, kind},
        server::Server,
        sql::Sql,
    },
};

/// In code point order, what Latin-1 has. Its usual collation takes many of them for equal.
const LATIN: [&str; 13] = [
    "A", "B", "a", "a ", "b", "b ", "e", "ss", "É", "ß", "ä", "é", "€",
];
/// With what needs four bytes in UTF-8, and a letter in two characters beside the same in one.
const WIDE: [&str; 9] = ["A", "a", "a ", "e", "e\u{301}", "É", "é", "日本", "🙂"];

/// Makes a master's database with these texts, in tables of a character set.
async fn master(charset: &str, texts: &[&str]) -> Option<(Database, Sql)> {
    if kind() != Kind::Mariadb {
        return None;
    }
    let schema = include_str!("../../data/buildbot-mariadb.sql");
    let given = "utf8mb3 COLLATE=utf8mb3_general_ci";
    assert!(schema.contains(given));
    Some(master_of(&schema.replace(given, charset), texts).await)
}

#[tokio::test]
async fn texts_compare_alike_in_every_character_set() {
    for (charset, texts, absent) in [
        (
            "latin1 COLLATE=latin1_swedish_ci",
            &LATIN[..],
            &["日本", "🙂", "E", "ａ", "?", "??"][..],
        ),
        ("latin1 COLLATE=latin1_bin", &LATIN, &["日本", "ä "]),
        (
            "utf8mb4 COLLATE=utf8mb4_general_ci",
            &WIDE,
            &["月", "🙃", "E"],
        ),
        ("utf8mb4 COLLATE=utf8mb4_unicode_ci", &WIDE, &["ê"]),
        ("utf16 COLLATE=utf16_general_ci", &WIDE, &["ê"]),
        // Each column may have its own.
        (
            "latin1 COLLATE=latin1_swedish_ci; ALTER TABLE steps MODIFY name varchar(50) CHARACTER SET utf8mb4 NOT NULL",
            &LATIN,
            &["日本", "🙂"],
        ),
    ] {
        // Only the last statement may end in an alteration.
        let (charset, alteration) = charset.split_once("; ").unwrap_or((charset, ""));
        let Some((database, sql)) = master(charset, texts).await else {
            return;
        };
        if !alteration.is_empty() {
            sql.run(alteration).await;
        }
        expect_compared_alike(database, texts, absent).await;
    }
}

#[tokio::test]
async fn rest_and_lists_compare_alike_in_latin_1() {
    let Some((database, sql)) = master("latin1 COLLATE=latin1_swedish_ci", &LATIN).await else {
        return;
    };
    sql.run(
        "INSERT INTO tags (id, name, name_hash) VALUES (2, 'é', SHA1(CONVERT('é' USING utf8mb4))); \
         INSERT INTO builders_tags (builderid, tagid) VALUES (2, 2); \
         INSERT INTO build_properties VALUES (1, 'é', '1', 's'), (1, 'É', '2', 's')",
    )
    .await;
    let server = Server::on(database, &[], Clock::System, None).await;
    let get = async |path: &str| -> Value {
        let url = format!("http://{}/api/v2/{path}", server.address);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    };
    for (path, total) in [
        ("builders?name=é", 1),
        ("builders?name__eq=日本", 0),
        ("builders?name__ne=日本", LATIN.len()),
        ("builders?name__contains=é", 1),
        ("builders?name__contains=日", 0),
        ("builders?name__ge=é", 2),
        ("builders?name__lt=A%20", 1),
        ("builders?tags__contains=é", 1),
        ("builders?tags__contains=É", 0),
        ("builders?tags__contains=日本", 0),
        ("builders?order=-tags&limit=20", LATIN.len()),
        ("builds/1/steps?state_string=€", 1),
    ] {
        let found = get(path).await;
        assert_eq!(found["meta"]["total"], total, "{path}: {found}");
    }
    let ordered = get("builders?order=-tags&limit=1").await;
    assert_eq!(ordered["builders"][0]["tags"], json!(["é"]));
    assert_eq!(get("builds/1/steps/€").await["steps"][0]["name"], "€");
    assert!(get("builds/1/steps/日本").await["error"].is_string());
    for (name, expected) in [("é", json!({ "é": ["1", "s"] })), ("日本", json!({}))] {
        let found = get(&format!("builds/1?property={name}")).await;
        let properties = found["builds"][0]["properties"].clone();
        assert_eq!(
            properties.as_object().map_or(0, serde_json::Map::len),
            expected.as_object().unwrap().len(),
            "{found}"
        );
    }
}

/// The feed's tables have a character set of their own, whatever the database's default is.
#[tokio::test]
async fn events_tell_texts_of_latin_1() {
    let Some((database, sql)) = master("latin1 COLLATE=latin1_swedish_ci", &LATIN).await else {
        return;
    };
    run("attach", &database).await.unwrap();
    let server = Server::on(database, &[], Clock::System, None).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&newest_cursor(&server.client()).await))
        .await;
    for state in ["é", "É", "€ß"] {
        sql.run(&format!(
            "UPDATE steps SET state_string = '{state}' WHERE id = 1"
        ))
        .await;
        assert_eq!(ws.event().await["step"]["stateString"], state);
    }
}

/// Our own tables, altered by somebody.
#[tokio::test]
async fn a_text_that_a_column_cannot_hold_is_refused() {
    if kind() != Kind::Mariadb {
        return;
    }
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    server
        .sql()
        .await
        .run("ALTER TABLE steps CONVERT TO CHARACTER SET latin1")
        .await;
    client.set_state(stepid, "é").await;
    let query =
        "mutation($s: Int!) { setStepStateString(stepid: $s, stateString: \"日本\") { cursor } }";
    let refused = client.execute(query, json!({ "s": stepid })).await;
    let error = &refused["errors"][0];
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{refused}");
    let query = "query($s: Int!) { step(stepid: $s) { stateString } }";
    let step = client.data(query, json!({ "s": stepid })).await;
    assert_eq!(step["step"]["stateString"], "é");
}
