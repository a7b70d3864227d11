//! `schema.graphql` is what the code prints, and holds the whole contract.

use std::{collections::BTreeSet, path::Path};

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use buildbot_graphql::testing::sdl;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Everything that a schema promises, one line each: members with their types, arguments and
/// defaults.
fn promises(sdl: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for definition in parse_schema(sdl).unwrap().definitions {
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
            TypeKind::Union(_) => panic!("no unions: {name}"),
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

#[test]
fn everything_has_a_description() {
    let undescribed: Vec<String> = parse_schema(sdl())
        .unwrap()
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(t) => Some(t.node),
            _ => None,
        })
        .flat_map(|t| {
            let name = t.name.node.to_string();
            let mut missing = Vec::new();
            if t.description.is_none() {
                missing.push(name.clone());
            }
            if let TypeKind::Object(object) = &t.kind {
                let fields = object
                    .fields
                    .iter()
                    .filter(|f| f.node.description.is_none());
                missing.extend(fields.map(|f| format!("{name}.{}", f.node.name.node)));
            }
            missing
        })
        .collect();
    assert!(undescribed.is_empty(), "{undescribed:#?}");
}
