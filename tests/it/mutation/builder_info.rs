//! `updateBuilderInfo`: what it sets, what it leaves, and what it refuses.

use serde_json::{Value, json};

use crate::{
    feed::position,
    support::{client::Client, server::Server},
};

const BUILDER: &str = "builder { name description descriptionFormat descriptionHtml tags }";

async fn update(client: &Client, arguments: &str) -> Value {
    let field = format!("updateBuilderInfo({arguments}) {{ cursor {BUILDER} }}");
    let mut data = client
        .data(&format!("mutation {{ {field} }}"), json!({}))
        .await;
    data["updateBuilderInfo"].take()
}

async fn read(client: &Client) -> Value {
    let mut data = client
        .data(
            &format!(
                "{{ {} }}",
                BUILDER.replace("builder {", "builder(builderid: 1) {")
            ),
            json!({}),
        )
        .await;
    data["builder"].take()
}

#[tokio::test]
async fn it_sets_what_is_given_and_leaves_the_rest() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let nothing = json!({
        "name": "b", "description": null, "descriptionFormat": null, "descriptionHtml": null, "tags": []
    });
    assert_eq!(read(&client).await, nothing);
    let mut expected = nothing;
    let mut at = 0;
    for (arguments, field, value) in [
        (
            r#"description: "For *all*""#,
            "description",
            json!("For *all*"),
        ),
        (
            r#"descriptionFormat: "markdown""#,
            "descriptionFormat",
            json!("markdown"),
        ),
        (
            r#"descriptionHtml: "<p>For <em>all</em></p>""#,
            "descriptionHtml",
            json!("<p>For <em>all</em></p>"),
        ),
        (
            r#"tags: ["z", "ü b", "a"]"#,
            "tags",
            json!(["z", "ü b", "a"]),
        ),
        // Null leaves it as it is, as leaving it out does.
        ("description: null, tags: null", "name", json!("b")),
        ("", "name", json!("b")),
        (r#"tags: ["a", "new"]"#, "tags", json!(["a", "new"])),
        (r#"description: """#, "description", json!("")),
        ("tags: []", "tags", json!([])),
    ] {
        let updated = update(&client, &format!("builderid: 1, {arguments}")).await;
        expected[field] = value;
        assert_eq!(updated["builder"], expected, "{arguments}");
        assert_eq!(read(&client).await, expected, "{arguments}");
        // Each is an event, also where nothing changes.
        let cursor = position(&updated["cursor"]);
        assert!(cursor > at, "{arguments}");
        at = cursor;
        let newest = client.data("{ eventCursor }", json!({})).await;
        assert_eq!(newest["eventCursor"], updated["cursor"], "{arguments}");
    }
}

#[tokio::test]
async fn it_refuses_what_breaks_a_rule_and_changes_nothing() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    update(&client, r#"builderid: 1, description: "d", tags: ["t"]"#).await;
    let before = (
        read(&client).await,
        crate::feed::newest_cursor(&client).await,
    );
    let query = "mutation($d: String, $f: String, $h: String, $t: [String!]) { \
         updateBuilderInfo(builderid: 1, description: $d, descriptionFormat: $f, descriptionHtml: $h, tags: $t) { cursor } }";
    let long = "x".repeat(65_536);
    let tags: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    for (variables, message) in [
        (
            json!({ "d": long, "t": ["u"] }),
            "description: at most 65535 bytes in UTF-8, no NUL, got 65536 bytes",
        ),
        (
            json!({ "f": "a\0b" }),
            "descriptionFormat: at most 65535 bytes in UTF-8, no NUL, got a NUL",
        ),
        (
            json!({ "h": "\0" }),
            "descriptionHtml: at most 65535 bytes in UTF-8, no NUL, got a NUL",
        ),
        (json!({ "t": tags }), "tags: at most 100 tags, got 101"),
        (
            json!({ "t": ["a", ""] }),
            "tags: each has 1 to 255 characters, none of them a control character, got \"\"",
        ),
        (
            json!({ "t": ["a\n"] }),
            "tags: each has 1 to 255 characters, none of them a control character, got \"a\\n\"",
        ),
        (
            json!({ "t": ["é".repeat(256)] }),
            "tags: each has 1 to 255 characters, none of them a control character, got 256 characters",
        ),
        (
            json!({ "t": ["a", "b", "a"] }),
            "tags: each tag once, got \"a\" twice",
        ),
    ] {
        let error = client.error(query, variables).await;
        assert_eq!(error, ("BAD_USER_INPUT".to_owned(), message.to_owned()));
    }
    let missing = "mutation { updateBuilderInfo(builderid: 9, tags: []) { cursor } }";
    assert_eq!(
        client.error(missing, json!({})).await,
        ("NOT_FOUND".to_owned(), "there is no builder 9".to_owned())
    );
    let after = (
        read(&client).await,
        crate::feed::newest_cursor(&client).await,
    );
    assert_eq!(after, before);
}

/// Writers that replace the tags of one builder at once leave one of their lists, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_lists_of_tags_are_not_mixed() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let lists: Vec<String> = (0..12)
        .map(|n| format!(r#"builderid: 1, tags: ["shared", "a{n}", "b{n}"]"#))
        .collect();
    let updated = futures_util::future::join_all(lists.iter().map(|l| update(&client, l))).await;
    let tags = read(&client).await["tags"].take();
    let one_of_them = updated.iter().any(|it| it["builder"]["tags"] == tags);
    assert!(one_of_them, "{tags}");
    assert_eq!(tags.as_array().unwrap().len(), 3);
}
