//! How other services of a federation name an object of this one.

use std::mem::discriminant;

use async_graphql::Value;

use crate::{
    domain::{
        error::{Error, Result},
        id::{BuildId, BuilderId, LogId, StepId},
    },
    graphql::schema::node::NodeId,
};

/// A type that can be represented, by its ID or by its own key.
struct Kind {
    name: &'static str,
    /// The field that is an Int.
    key: &'static str,
    node: fn(i32) -> NodeId,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "Builder",
        key: "builderid",
        node: |id| NodeId::Builder(BuilderId(id)),
    },
    Kind {
        name: "Build",
        key: "buildid",
        node: |id| NodeId::Build(BuildId(id)),
    },
    Kind {
        name: "Step",
        key: "stepid",
        node: |id| NodeId::Step(StepId(id)),
    },
    Kind {
        name: "Log",
        key: "logid",
        node: |id| NodeId::Log(LogId(id)),
    },
];

/// Reads the representation with this index. Fails if it names no type, or no object of it.
pub(crate) fn read_representation(at: usize, value: &Value) -> Result<NodeId> {
    let argument = format!("representations[{at}]");
    let Value::Object(fields) = value else {
        let rule = format!("an object with __typename and a key, got {value}");
        return Err(Error::invalid(argument, rule));
    };
    let given = |name: &str| fields.get(name).filter(|value| **value != Value::Null);
    let refuse = |field: &str, rule: String| Error::invalid(format!("{argument}.{field}"), rule);
    let kind = read_kind(given("__typename")).map_err(|rule| refuse("__typename", rule))?;
    let by_id = given("id").map(|id| kind.read_id(id).map_err(|rule| refuse("id", rule)));
    let by_key = given(kind.key).map(|id| read_int(id).map_err(|rule| refuse(kind.key, rule)));
    let by_key = by_key.transpose()?.map(kind.node);
    match (by_id.transpose()?, by_key) {
        (None, None) => {
            let rule = format!("a {} by its id or its {}, got neither", kind.name, kind.key);
            Err(Error::invalid(argument, rule))
        }
        (Some(one), Some(other)) if one != other => {
            let rule = format!("the {} that id names, got another: {value}", kind.name);
            Err(refuse(kind.key, rule))
        }
        (Some(id), _) | (None, Some(id)) => Ok(id),
    }
}

fn read_kind(name: Option<&Value>) -> Result<&'static Kind, String> {
    let rule = "Builder, Build, Step or Log";
    match name {
        Some(Value::String(name)) => {
            let found = KINDS.iter().find(|kind| kind.name == name);
            found.ok_or_else(|| format!("{rule}, got {name:?}"))
        }
        Some(other) => Err(format!("{rule}, got {other}")),
        None => Err(format!("{rule}, got none")),
    }
}

fn read_int(value: &Value) -> Result<i32, String> {
    let int = match value {
        Value::Number(number) => number.as_i64().and_then(|int| int.try_into().ok()),
        _ => None,
    };
    int.ok_or_else(|| format!("an Int from {} to {}, got {value}", i32::MIN, i32::MAX))
}

impl Kind {
    fn read_id(&self, value: &Value) -> Result<NodeId, String> {
        let id = match value {
            Value::String(text) => NodeId::decode(text),
            _ => None,
        };
        let is_of_this = |id: &NodeId| discriminant(id) == discriminant(&(self.node)(0));
        id.filter(is_of_this).ok_or_else(|| {
            format!(
                "the ID of a {} that this server gave, got {value}",
                self.name
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(representation: &Json) -> Result<NodeId> {
        let value = Value::from_json(representation.clone());
        read_representation(7, &value.expect("a value"))
    }

    #[test]
    fn either_key_names_an_object_and_other_fields_are_ignored() {
        let (build, step) = (NodeId::Build(BuildId(3)), NodeId::Step(StepId(3)));
        for (representation, id) in [
            (json!({ "__typename": "Build", "buildid": 3 }), build),
            (
                json!({ "__typename": "Build", "id": build.encode(), "buildid": null }),
                build,
            ),
            (
                json!({ "__typename": "Step", "id": step.encode(), "stepid": 3 }),
                step,
            ),
            (
                json!({ "__typename": "Step", "stepid": 3, "buildid": "x", "name": {} }),
                step,
            ),
        ] {
            assert_eq!(
                read(&representation).expect("a key"),
                id,
                "{representation}"
            );
        }
    }

    #[test]
    fn what_names_no_object_is_refused_with_its_place_and_value() {
        let build = NodeId::Build(BuildId(3)).encode();
        for (representation, message) in [
            (
                json!(1),
                "representations[7]: an object with __typename and a key, got 1",
            ),
            (
                json!({ "stepid": 1 }),
                "representations[7].__typename: Builder, Build, Step or Log, got none",
            ),
            (
                json!({ "__typename": "Worker", "id": 1 }),
                "representations[7].__typename: Builder, Build, Step or Log, got \"Worker\"",
            ),
            (
                json!({ "__typename": 5, "id": 1 }),
                "representations[7].__typename: Builder, Build, Step or Log, got 5",
            ),
            (
                json!({ "__typename": "Step", "buildid": 1 }),
                "representations[7]: a Step by its id or its stepid, got neither",
            ),
            (
                json!({ "__typename": "Step", "id": build }),
                "representations[7].id: the ID of a Step that this server gave, got \"QnVpbGQ6Mw\"",
            ),
            (
                json!({ "__typename": "Step", "stepid": "1" }),
                "representations[7].stepid: an Int from -2147483648 to 2147483647, got \"1\"",
            ),
            (
                json!({ "__typename": "Step", "stepid": 2_147_483_648_u32 }),
                "representations[7].stepid: an Int from -2147483648 to 2147483647, got 2147483648",
            ),
            (
                json!({ "__typename": "Build", "id": build, "buildid": 4 }),
                "representations[7].buildid: the Build that id names, got another: {__typename: \"Build\", buildid: 4, id: \"QnVpbGQ6Mw\"}",
            ),
        ] {
            let error = read(&representation).expect_err("no object");
            assert_eq!(error.to_string(), message);
        }
    }
}
