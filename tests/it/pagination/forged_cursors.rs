//! Page cursors that no server issued: each is a position in the order, whatever it holds, and none
//! causes an internal error.

use std::cmp::Ordering;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{ids, order_by, sort};
use crate::{
    filter::{
        order,
        seed::{rows, seeded},
    },
    support::database::{Kind, kind},
};

/// The value that the database compares a column with. SQLite converts between numbers and texts
/// where it can.
fn converted(field: &str, value: &Value) -> Value {
    if kind() != Kind::Sqlite {
        return value.clone();
    }
    match value {
        Value::Number(number) if field == "name" => number.to_string().into(),
        Value::String(text) if field != "name" => text
            .parse::<i64>()
            .map_or_else(|_| value.clone(), Value::from),
        _ => value.clone(),
    }
}

/// Null is less than every number, and every number is less than every text.
fn order_of_any(a: &Value, b: &Value) -> Ordering {
    let class = |value: &Value| match value {
        Value::Null => 0,
        Value::Number(_) => 1,
        _ => 2,
    };
    class(a).cmp(&class(b)).then_with(|| order(a, b))
}

#[tokio::test]
async fn a_forged_cursor_is_a_position_like_any_other() {
    let server = seeded().await;
    let client = server.client();
    let values = [
        json!(null),
        json!(-1),
        json!(7),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("7"),
        json!("a"),
        json!("a\0"),
        json!("\0"),
        json!("é\0é"),
        json!("🙂🙂"),
        json!("x".repeat(10_000)),
    ];
    for (list, id, keys) in [
        ("builders", "builderid", vec![("name", "NAME", false)]),
        ("builders", "builderid", vec![("name", "NAME", true)]),
        (
            "builds",
            "buildid",
            vec![
                ("completeAt", "COMPLETE_AT", false),
                ("number", "NUMBER", true),
            ],
        ),
        (
            "steps",
            "stepid",
            vec![("startedAt", "STARTED_AT", true), ("name", "NAME", false)],
        ),
        ("steps", "stepid", vec![("number", "NUMBER", false)]),
    ] {
        let mut all = rows(&server, list).await;
        sort(&mut all, &keys);
        let arguments = order_by(&keys);
        let first = format!("{{ {list}(first: 1, {arguments}) {{ pageInfo {{ endCursor }} }} }}");
        let real = client.data(&first, json!({})).await[list]["pageInfo"]["endCursor"].take();
        let real = URL_SAFE_NO_PAD.decode(real.as_str().unwrap()).unwrap();
        let real: Value = serde_json::from_slice(&real).unwrap();
        let columns: Vec<(&str, bool)> = keys
            .iter()
            .map(|(field, _, descends)| (*field, *descends))
            .chain([(id, false)])
            .collect();
        assert_eq!(real[1].as_array().unwrap().len(), columns.len());
        for at in 0..columns.len() {
            for value in &values {
                let mut forged = real.clone();
                forged[1][at] = value.clone();
                let cursor = URL_SAFE_NO_PAD.encode(forged.to_string());
                let query = format!(
                    "query($c: String) {{ behind: {list}(first: 500, after: $c, {arguments}) {{ nodes {{ {id} }} }} \
                     before: {list}(last: 500, before: $c, {arguments}) {{ nodes {{ {id} }} }} }}"
                );
                let data = client.data(&query, json!({ "c": cursor })).await;
                let stands = |row: &Value| {
                    columns.iter().enumerate().fold(
                        Ordering::Equal,
                        |so_far, (i, (field, descends))| {
                            let here = order_of_any(&row[*field], &converted(field, &forged[1][i]));
                            so_far.then(if *descends { here.reverse() } else { here })
                        },
                    )
                };
                for (alias, side) in [("behind", Ordering::Greater), ("before", Ordering::Less)] {
                    let expected: Vec<Value> = all
                        .iter()
                        .filter(|row| stands(row) == side)
                        .cloned()
                        .collect();
                    let shown: String = forged.to_string().chars().take(80).collect();
                    assert_eq!(
                        data[alias]["nodes"],
                        json!(ids(&expected, id)),
                        "{alias} {shown} {arguments}"
                    );
                }
            }
        }
    }
}
