//! Random conditions: every operator, nested in every way, as the JSON of a filter's input.

use buildbot_graphql::testing::format_time as format;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::rows::{number, text, time};
use crate::filter::{
    lists::{Kind, List},
    reference::RESULTS,
};

/// A value that a field is compared with.
fn operand(kind: Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::Int => number().prop_map(Value::from).boxed(),
        // Values that no row can hold are included.
        Kind::Text | Kind::Tags => prop_oneof![
            9 => text().prop_map(Value::from),
            1 => text().prop_map(|text| Value::from(text + "\0")),
        ]
        .boxed(),
        Kind::Time => (time(), any::<bool>())
            .prop_map(|(time, as_text)| match format(time) {
                Some(text) if as_text => text.into(),
                _ => time.into(),
            })
            .boxed(),
        Kind::Results => select(&RESULTS[..]).prop_map(Value::from).boxed(),
    }
}

/// An operator with its operand.
fn test(kind: Kind) -> impl Strategy<Value = (&'static str, Value)> {
    select(kind.operators()).prop_flat_map(move |operator| {
        let operand = match operator {
            "isNull" => any::<bool>().prop_map(Value::from).boxed(),
            "in" | "notIn" => vec(operand(kind), 0..4).prop_map(Value::from).boxed(),
            _ => operand(kind),
        };
        // `isNull: null` is no valid test.
        let null = u32::from(operator != "isNull");
        let operand = if null == 0 {
            operand
        } else {
            prop_oneof![12 => operand, 1 => Just(Value::Null)].boxed()
        };
        (Just(operator), operand)
    })
}

/// One field with its tests, or a flag.
fn entry(list: &'static List) -> impl Strategy<Value = (&'static str, Value)> {
    let field = select(list.fields).prop_flat_map(|(field, kind)| {
        let tests =
            prop_oneof![3 => vec(test(kind), 1), 1 => vec(test(kind), 2)].prop_map(|tests| {
                let tests = tests.into_iter().map(|(o, v)| (o.to_owned(), v));
                Value::Object(tests.collect())
            });
        (Just(field), tests)
    });
    if list.flags.is_empty() {
        return field.boxed();
    }
    let flag = (select(list.flags), any::<bool>().prop_map(Value::from));
    prop_oneof![6 => field, 1 => flag].boxed()
}

/// A condition on the rows of a list.
pub(super) fn condition(list: &'static List) -> impl Strategy<Value = Value> {
    let entries =
        prop_oneof![1 => vec(entry(list), 0), 8 => vec(entry(list), 1), 2 => vec(entry(list), 2)];
    let simple = entries.prop_map(|entries| {
        let entries = entries.into_iter().map(|(k, v)| (k.to_owned(), v));
        Value::Object(entries.collect())
    });
    let nested = simple.clone().prop_recursive(4, 24, 4, |inner| {
        let many = || vec(inner.clone(), 0..4);
        prop_oneof![
            1 => many().prop_map(|all| json!({ "and": all })),
            2 => many().prop_map(|all| json!({ "or": all })),
            1 => inner.clone().prop_map(|inner| json!({ "not": inner })),
            1 => many().prop_map(|all| {
                let objects = all.into_iter().map(|value| match value {
                    Value::Object(object) => object,
                    _ => Map::new(),
                });
                Value::Object(objects.flatten().collect())
            }),
        ]
    });
    prop_oneof![1 => simple, 1 => nested]
}

/// A condition as a literal in a document: names and results without quotes.
pub(super) fn literal(condition: &Value) -> String {
    fn write(value: &Value, is_results: bool) -> String {
        match value {
            Value::Object(object) => {
                let field = |(name, value): (&String, &Value)| {
                    format!("{name}: {}", write(value, is_results || name == "results"))
                };
                format!(
                    "{{ {} }}",
                    object.iter().map(field).collect::<Vec<_>>().join(", ")
                )
            }
            Value::Array(values) => {
                let values = values.iter().map(|value| write(value, is_results));
                format!("[{}]", values.collect::<Vec<_>>().join(", "))
            }
            Value::String(name) if is_results => name.clone(),
            other => other.to_string(),
        }
    }
    write(condition, false)
}
