//! Texts in any case: what is found, what is refused, and what a database must bear.

use serde_json::json;

use crate::support::{database::on_sqlite, server::Server};

/// How many of the builds with these state strings have the text in any case.
async fn found(server: &Server, texts: &[&str], part: &str) -> Vec<String> {
    let sql = server.sql().await;
    sql.run("DELETE FROM builds").await;
    for (i, text) in texts.iter().enumerate() {
        let text = text.replace('\'', "''").replace('\0', "' || char(0) || '");
        sql.run(&format!(
            "INSERT INTO builds (number, builderid, started_at, locks_duration_s, state_string) \
             SELECT {i}, id, 0, 0, '{text}' FROM builders"
        ))
        .await;
    }
    let query = "query($t: String!) { builds(where: { stateString: { containsIgnoreCase: $t } }) { nodes { stateString } } }";
    let data = server.client().data(query, json!({ "t": part })).await;
    let nodes = data["builds"]["nodes"].as_array().unwrap();
    let text = |node: &serde_json::Value| node["stateString"].as_str().unwrap().to_owned();
    nodes.iter().map(text).collect()
}

#[tokio::test]
async fn letters_match_in_any_case_and_all_else_as_it_is() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    let builds = [
        "Straße",
        "STRASSE",
        "STRAẞE",
        "İi",
        "ΣΊΣΥΦΟΣ",
        "σίσυφος",
        "100% Ü_x",
        "\u{212a}elvin",
        "KELVIN",
        "\u{ffff}",
        "\u{fffe}",
        "a]b^c-d",
        "ÅNGSTRÖM",
        "\u{212b}ngström",
    ];
    for (part, expected) in [
        ("straße", &["Straße", "STRAẞE"][..]),
        ("STRASSE", &["STRASSE"]),
        ("I", &["İi", "KELVIN", "\u{212a}elvin"]),
        ("σΊΣυφΟς", &["ΣΊΣΥΦΟΣ", "σίσυφος"]),
        ("% ü_X", &["100% Ü_x"]),
        ("_", &["100% Ü_x"]),
        ("kelvin", &["\u{212a}elvin", "KELVIN"]),
        ("\u{ffff}", &["\u{ffff}"]),
        ("\u{fffd}", &[]),
        ("A]B^C-D", &["a]b^c-d"]),
        ("[a]", &[]),
        ("ångström", &["ÅNGSTRÖM", "\u{212b}ngström"]),
    ] {
        let mut found = found(&server, &builds, part).await;
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{part}");
    }
}

#[tokio::test]
async fn what_is_behind_a_nul_is_found() {
    if !on_sqlite("it alone keeps a NUL in a text") {
        return;
    }
    let server = Server::start().await;
    server.client().add_build("b").await;
    for (part, count) in [("b", 2), ("A\0B", 1), ("\0", 1), ("É", 1), ("a\0c", 0)] {
        let found = found(&server, &["a\0bé", "B", "a"], part).await;
        assert_eq!(found.len(), count, "{part:?}");
    }
}

#[tokio::test]
async fn a_text_in_any_case_is_limited() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let query = "query($t: String!) { builders(where: { not: { name: { containsIgnoreCase: $t } } }) { totalCount } }";
    // Each letter may have several other forms.
    let letters = |n: usize| -> String {
        ('А'..='Я')
            .chain('Ḁ'..'ẕ')
            .chain('Α'..='Ρ')
            .take(n)
            .collect()
    };
    for fine in ["", "%_*?[]^-\\'\"", &"é".repeat(1_000), &letters(80)] {
        client.data(query, json!({ "t": fine })).await;
    }
    for (bad, rule) in [
        ("é".repeat(1_001), "at most 1000 characters, got 1001"),
        (('Ā'..='ɏ').collect(), "at most 100 different letters, got"),
    ] {
        let response = client.execute(query, json!({ "t": bad })).await;
        let error = &response["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error:#}");
        assert_eq!(error["extensions"]["argument"], "where", "{error:#}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(rule), "{message}");
    }
}

/// As many letters as may be, as often as may be, nested as deep as may be: no database refuses the
/// statement.
#[tokio::test]
async fn the_largest_search_in_any_case_works() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    // Those with the most forms, and then others.
    let letters: String = "ΘΙΒΕΚΜΠΡΣΦΩВДОСТЪѢΕKSÅßa"
        .chars()
        .chain('Ā'..='ƀ')
        .take(100)
        .collect();
    let test = json!({ "containsIgnoreCase": letters });
    let many = vec![json!({ "name": test }); 9];
    let mut filter = json!({ "or": many });
    for _ in 0..18 {
        filter = json!({ "not": filter });
    }
    let query = "query($w: StepFilter) { steps(where: $w) { totalCount } }";
    let data = client.data(query, json!({ "w": filter })).await;
    assert_eq!(data["steps"]["totalCount"], 0);
}
