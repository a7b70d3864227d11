//! Apollo Federation: what a gateway asks of a subgraph.

use serde_json::{Value, json};

use crate::support::{client::Client, server::Server};

const ENTITIES: &str = "query($r: [_Any!]!) { _entities(representations: $r) { __typename
    ... on Builder { name } ... on Build { number steps { name } } ... on Step { name build { number } } } }";

async fn seeded() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "compile").await;
    (server, client)
}

#[tokio::test]
async fn entities_are_found_by_either_key_in_order() {
    let (_server, client) = seeded().await;
    let id = client.data("{ step(stepid: 1) { id } }", json!({})).await;
    let id = &id["step"]["id"];
    let representations = json!([
        { "__typename": "Step", "stepid": 1, "note": { "any": [1, null] } },
        { "__typename": "Build", "buildid": 99 },
        { "__typename": "Builder", "builderid": 1 },
        { "__typename": "Step", "id": id },
        { "__typename": "Step", "id": id, "stepid": 1.0 },
        { "__typename": "Build", "buildid": 1 },
    ]);
    let data = client.data(ENTITIES, json!({ "r": representations })).await;
    let step = json!({ "__typename": "Step", "name": "compile", "build": { "number": 1 } });
    let builder = json!({ "__typename": "Builder", "name": "b" });
    let build = json!({ "__typename": "Build", "number": 1, "steps": [{ "name": "compile" }] });
    assert_eq!(
        data["_entities"],
        json!([step, null, builder, step, step, build])
    );
}

#[tokio::test]
async fn representations_are_literals_and_variables_in_them_too() {
    let (_server, client) = seeded().await;
    let query = "query($s: Int!, $b: _Any!, $none: Int) { _entities(representations: [
        { __typename: \"Step\", stepid: $s, buildid: $none, list: [$s, [$none]] } $b { __typename: \"Builder\", builderid: 1 }
    ]) { ... on Step { stepid } ... on Build { buildid } ... on Node { __typename } } }";
    let variables = json!({ "s": 1, "b": { "__typename": "Build", "buildid": 1 } });
    let data = client.data(query, variables).await;
    let found = json!([
        { "stepid": 1, "__typename": "Step" },
        { "buildid": 1, "__typename": "Build" },
        { "__typename": "Builder" },
    ]);
    assert_eq!(data["_entities"], found);
    for (query, part) in [
        (
            "{ _entities(representations: [{ stepid: 1, stepid: 1 }]) { __typename } }",
            "stepid",
        ),
        (
            "{ _entities(representations: null) { __typename } }",
            "representations",
        ),
        (
            "{ _entities(representations: [null]) { __typename } }",
            "representations",
        ),
        ("{ _entities { __typename } }", "representations"),
        (
            "query($r: [Int!]!) { _entities(representations: $r) { __typename } }",
            "$r",
        ),
        ("{ _entities(representations: []) { id } }", "\"id\""),
    ] {
        let response = client.execute(query, json!({ "r": [1] })).await;
        assert!(response.get("data").is_none(), "{query}\n{response:#}");
        let message = response["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(part), "{query}\n{response:#}");
    }
}

/// As with every argument: a variable in a list of what must not be null has no value of its own.
#[tokio::test]
async fn a_variable_that_is_null_refuses_all_representations() {
    let (_server, client) = seeded().await;
    let query = "query($r: _Any = { __typename: \"Step\", stepid: 1 }) \
                 { _entities(representations: [$r]) { __typename } }";
    let data = client.data(query, json!({})).await;
    assert_eq!(data["_entities"], json!([{ "__typename": "Step" }]));
    let response = client.execute(query, json!({ "r": null })).await;
    assert_eq!(response["data"], Value::Null);
    let error = &response["errors"][0];
    let message = "representations[0]: an object with __typename and a key, got null";
    assert_eq!(error["message"], message);
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_malformed_representation_is_an_error_in_its_place() {
    let (_server, client) = seeded().await;
    let step = json!({ "__typename": "Step", "stepid": 1 });
    let malformed = [
        (json!(7), "", "an object with __typename and a key, got 7"),
        (
            json!({ "stepid": 1 }),
            ".__typename",
            "Builder, Build, Step or Log, got none",
        ),
        (
            json!({ "__typename": "Query" }),
            ".__typename",
            "Builder, Build, Step or Log, got \"Query\"",
        ),
        (
            json!({ "__typename": "Step" }),
            "",
            "a Step by its id or its stepid, got neither",
        ),
        (
            json!({ "__typename": "Step", "id": "QnVpbGQ6MQ" }),
            ".id",
            "the ID of a Step that this server gave, got \"QnVpbGQ6MQ\"",
        ),
        (
            json!({ "__typename": "Build", "id": "QnVpbGQ6MQ", "buildid": 2 }),
            ".buildid",
            "the Build that id names, got another: ",
        ),
    ];
    let mut representations = vec![step.clone()];
    representations.extend(
        malformed
            .iter()
            .map(|(representation, ..)| representation.clone()),
    );
    representations.push(step);
    let response = client
        .execute(ENTITIES, json!({ "r": representations }))
        .await;
    let found = response["data"]["_entities"].as_array().unwrap();
    assert_eq!(
        (&found[0]["name"], &found[7]["name"]),
        (&json!("compile"), &json!("compile"))
    );
    assert!(found[1..7].iter().all(Value::is_null), "{response:#}");
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(errors.len(), malformed.len(), "{response:#}");
    for (at, (_, field, rule)) in malformed.iter().enumerate() {
        let (error, at) = (&errors[at], at + 1);
        let argument = format!("representations[{at}]{field}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("{argument}: {rule}")),
            "{message}"
        );
        assert_eq!(error["path"], json!(["_entities", at]));
        assert_eq!(error["extensions"]["argument"], argument);
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn a_thousand_representations_are_answered_and_one_more_refused() {
    let (_server, client) = seeded().await;
    let query = "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }";
    let many = vec![json!({ "__typename": "Step", "stepid": 1 }); 1_001];
    let data = client.data(query, json!({ "r": many[1..] })).await;
    assert_eq!(data["_entities"].as_array().unwrap().len(), 1_000);
    let response = client.execute(query, json!({ "r": many })).await;
    assert_eq!(response["data"], Value::Null);
    let message = "representations: at most 1000 representations, got 1001";
    assert_eq!(response["errors"][0]["message"], message);
    let (code, message) = client
        .error(
            "query($r: [_Any!]!) { _entities(representations: $r) { ... on Build { steps { name } } } }",
            json!({ "r": many[1..] }),
        )
        .await;
    assert_eq!(code, "LIMIT_EXCEEDED");
    assert!(message.contains("this has 21000 objects"), "{message}");
}

#[tokio::test]
async fn the_service_gives_its_schema_with_keys_and_without_the_gateways_own() {
    let (_server, client) = seeded().await;
    let data = client
        .data("{ s: _service { __typename sdl } }", json!({}))
        .await;
    assert_eq!(data["s"]["__typename"], "_Service");
    let sdl = data["s"]["sdl"].as_str().unwrap();
    for part in [
        "@link(url: \"https://specs.apollo.dev/federation/v2.0\", import: [\"@key\", \"@shareable\"])",
        "type Query {",
        "type Step implements Node @key(fields: \"id\") @key(fields: \"stepid\") {",
        "type PageInfo @shareable {",
    ] {
        assert!(sdl.contains(part), "{part}\n{sdl}");
    }
    for part in ["_Any", "_Entity", "_service", "_entities", "@defer"] {
        assert!(!sdl.contains(part), "{part}\n{sdl}");
    }
    // It shows the schema as introspection does.
    let hidden = Server::with_flags(&["--no-introspection"]).await;
    let (code, message) = hidden
        .client()
        .error("{ _service { sdl } }", json!({}))
        .await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
    assert!(message.contains("introspection is off"), "{message}");
    let data = hidden.client().data(ENTITIES, json!({ "r": [] })).await;
    assert_eq!(data["_entities"], json!([]));
}

#[tokio::test]
async fn introspection_tells_of_the_entities() {
    let (_server, client) = seeded().await;
    let query = "{ __type(name: \"_Entity\") { kind possibleTypes { name } } any: __type(name: \"_Any\") { kind } }";
    let data = client.data(query, json!({})).await;
    let mut names: Vec<&str> = data["__type"]["possibleTypes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ty| ty["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Build", "Builder", "Log", "Step"]);
    assert_eq!(data["any"]["kind"], "SCALAR");
}
