//! `schema.graphql` is what the code prints, and holds the whole contract.

use std::{collections::BTreeSet, path::Path};

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use buildbot_graphql::testing::sdl;
use serde_json::{Value, json};

use crate::support::server::Server;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Everything that a schema promises, one line each: members with their types, arguments and
/// defaults.
fn promises(sdl: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    // The parser knows no description of the schema itself.
    let start = if sdl.starts_with("\"\"\"\nBuildbot") {
        sdl.find("schema {")
    } else {
        None
    };
    for definition in parse_schema(&sdl[start.unwrap_or(0)..])
        .unwrap()
        .definitions
    {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let name = &definition.node.name.node;
        match &definition.node.kind {
            TypeKind::Scalar => {
                let url = definition
                    .node
                    .directives
                    .iter()
                    .find(|d| d.node.name.node == "specifiedBy");
                let url = url.map(|d| d.node.arguments[0].1.node.to_string());
                lines.insert(format!("scalar {name} {url:?}"));
            }
            TypeKind::Object(object) => {
                for interface in &object.implements {
                    lines.insert(format!("{name} implements {}", interface.node));
                }
                for field in &object.fields {
                    lines.insert(format!(
                        "{name}.{}: {}",
                        field.node.name.node, field.node.ty.node
                    ));
                    for argument in &field.node.arguments {
                        let a = &argument.node;
                        let default = a.default_value.as_ref().map(|v| v.node.to_string());
                        lines.insert(format!(
                            "{name}.{}({}: {} = {default:?})",
                            field.node.name.node, a.name.node, a.ty.node
                        ));
                    }
                }
            }
            TypeKind::Interface(interface) => {
                for field in &interface.fields {
                    lines.insert(format!(
                        "interface {name}.{}: {}",
                        field.node.name.node, field.node.ty.node
                    ));
                }
            }
            TypeKind::Enum(values) => {
                // The order is part of the promise.
                let values: Vec<&str> = values
                    .values
                    .iter()
                    .map(|v| v.node.value.node.as_str())
                    .collect();
                lines.insert(format!("enum {name} {}", values.join(" ")));
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    let f = &field.node;
                    let default = f.default_value.as_ref().map(|v| v.node.to_string());
                    lines.insert(format!(
                        "input {name}.{}: {} = {default:?}",
                        f.name.node, f.ty.node
                    ));
                }
            }
            TypeKind::Union(union) => {
                for member in &union.members {
                    lines.insert(format!("union {name} {}", member.node));
                }
            }
        }
    }
    lines
}

#[test]
fn the_schema_file_is_up_to_date() {
    assert_eq!(
        read("schema.graphql"),
        sdl(),
        "run: cargo run -- schema > schema.graphql"
    );
}

#[test]
fn the_schema_holds_the_whole_contract() {
    let (contract, ours) = (
        promises(&read("tests/data/contract.graphql")),
        promises(&sdl()),
    );
    let broken: Vec<&String> = contract.difference(&ours).collect();
    assert!(
        contract.len() > 200,
        "the contract was not read: {}",
        contract.len()
    );
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The members of a type that have no description: itself, its fields, their arguments, and so on.
fn undescribed(path: &str, member: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    let path = format!("{path}{}", member["name"].as_str().unwrap());
    if member["description"].as_str().is_none_or(str::is_empty) {
        missing.push(path.clone());
    }
    for kind in ["fields", "args", "inputFields", "enumValues"] {
        for inner in member[kind].as_array().into_iter().flatten() {
            missing.extend(undescribed(&format!("{path}."), inner));
        }
    }
    missing
}

#[tokio::test]
async fn everything_has_a_description() {
    let server = Server::start().await;
    let query = "{ __schema { types { name description
        fields(includeDeprecated: true) { name description
          args(includeDeprecated: true) { name description } }
        inputFields(includeDeprecated: true) { name description }
        enumValues(includeDeprecated: true) { name description } } } }";
    let data = server.client().data(query, json!({})).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    // Introspection and its scalar ID are the library's, which leaves ID undescribed.
    let is_ours = |name: &str| !name.starts_with("__") && name != "ID";
    let ours = types
        .iter()
        .filter(|t| is_ours(t["name"].as_str().unwrap()));
    let missing: Vec<_> = ours.flat_map(|t| undescribed("", t)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    // The query reaches every kind of member.
    let reached = undescribed(
        "",
        &json!({
            "name": "T", "description": "It.",
            "fields": [{ "name": "f", "description": "It.", "args": [{ "name": "a", "description": null }] }],
            "inputFields": [{ "name": "i", "description": "" }],
            "enumValues": [{ "name": "V" }],
        }),
    );
    assert_eq!(reached, ["T.f.a", "T.i", "T.V"]);
}

/// What a client must know before it asks: what there is, and how much of it at once.
#[tokio::test]
async fn the_schema_says_what_it_is_and_names_its_limits() {
    let server = Server::start().await;
    let query = "{ __schema { description queryType { fields { name args { name description } } } }
        filter: __type(name: \"StepFilter\") { description } }";
    let data = server.client().data(query, json!({})).await;
    let description = data["__schema"]["description"].as_str().unwrap();
    for word in [
        "Buildbot",
        "steps",
        "stepEvents",
        "500",
        "10,000",
        "1,000",
        "extensions.code",
    ] {
        assert!(description.contains(word), "{word}: {description}");
    }
    assert!(
        data["filter"]["description"]
            .as_str()
            .unwrap()
            .contains("1,000")
    );
    let fields = data["__schema"]["queryType"]["fields"].as_array().unwrap();
    let mut pages = 0;
    for field in fields {
        for argument in field["args"].as_array().unwrap() {
            if argument["name"] == "first" || argument["name"] == "last" {
                assert!(
                    argument["description"].as_str().unwrap().contains("500"),
                    "{field:#}"
                );
                pages += 1;
            }
        }
    }
    assert_eq!(pages, 6);
}
