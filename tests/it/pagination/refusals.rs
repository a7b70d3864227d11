//! Arguments that are refused, and with which messages.

use serde_json::{Value, json};

use crate::filter::seed::seeded;

/// Each message names the argument, the rule and the value.
#[tokio::test]
async fn bad_arguments_are_refused_with_a_message() {
    let server = seeded().await;
    let client = server.client();
    let page = "{ builders(first: 1) { pageInfo { endCursor } } }";
    let other = client.data(page, json!({})).await["builders"]["pageInfo"]["endCursor"].to_string();
    let mut cases = Vec::new();
    for (list, name, id) in [
        ("builders", "NAME", "BUILDERID"),
        ("builds", "NUMBER", "BUILDID"),
        ("steps", "NAME", "STEPID"),
        ("builder(builderid: 1) { builds", "NUMBER", "BUILDID"),
    ] {
        let order = format!("orderBy: {{ field: {name} }}");
        for (arguments, argument, rule, got) in [
            ("first: 501".to_owned(), "first", "0 to 500", "got 501"),
            ("first: -1".to_owned(), "first", "0 to 500", "got -1"),
            ("last: 501".to_owned(), "last", "0 to 500", "got 501"),
            (
                "last: -2147483648".to_owned(),
                "last",
                "0 to 500",
                "got -2147483648",
            ),
            ("first: 1, last: 2".to_owned(), "last", "first", "got"),
            ("after: \"\"".to_owned(), "after", "cursor", "got \"\""),
            (
                "before: \"garbage\"".to_owned(),
                "before",
                "cursor",
                "got \"garbage\"",
            ),
            (
                format!("after: {other}, {order}"),
                "after",
                "same order",
                other.as_str(),
            ),
            // As many keys, and another direction.
            (
                format!("after: {other}, orderBy: {{ field: {id}, direction: DESC }}"),
                "after",
                "same order",
                other.as_str(),
            ),
        ] {
            let close = if list.contains('{') { "}" } else { "" };
            cases.push((
                format!("{{ {list}({arguments}) {{ totalCount }} }} {close}"),
                argument,
                rule,
                got,
            ));
        }
    }
    for (steps, argument, rule, got) in [
        ("limit: 10001", "limit", "0 to 10000", "got 10001"),
        ("limit: -1", "limit", "0 to 10000", "got -1"),
        ("offset: -1", "offset", "from 0", "got -1"),
    ] {
        cases.push((
            format!("{{ build(buildid: 1) {{ steps({steps}) {{ name }} }} }}"),
            argument,
            rule,
            got,
        ));
    }
    cases.push((
        "{ builder { name } }".into(),
        "builder",
        "exactly one of builderid and name",
        "got neither",
    ));
    cases.push((
        "{ builder(builderid: 1, name: \"a\") { name } }".into(),
        "builder",
        "exactly one of builderid and name",
        "got both",
    ));
    let mut unclear = Vec::new();
    for (query, argument, rule, got) in cases {
        let (code, message) = client.error(&query, json!({})).await;
        let clear = code == "BAD_USER_INPUT"
            && message.starts_with(&format!("{argument}: "))
            && message.contains(rule)
            && message.contains(got);
        if !clear {
            unclear.push((query, code, message));
        }
    }
    assert!(unclear.is_empty(), "{unclear:#?}");
}

/// A value of the wrong type fails the whole request.
#[tokio::test]
async fn arguments_of_another_type_give_errors_and_no_data() {
    let server = seeded().await;
    let client = server.client();
    let mut cases = Vec::new();
    for arguments in [
        "first: \"5\"",
        "first: 1.5",
        "first: true",
        "first: 3000000000",
        "first: -3000000000",
        "after: 1",
        "banana: 1",
        "orderBy: { field: BANANA }",
        "orderBy: { field: NAME, direction: UP }",
        "orderBy: { direction: ASC }",
        "where: { stepid: 1 }",
        "where: { stepid: { eq: \"1\" } }",
        "where: { stepid: { eq: 3000000000 } }",
        "where: { stepid: { in: [1, 3000000000] } }",
        "where: { stepid: { in: [null] } }",
        "where: { name: { eq: 1 } }",
        "where: { results: { eq: BANANA } }",
        "where: { results: { eq: 0 } }",
        "where: { results: { eq: \"SUCCESS\" } }",
        "where: { startedAt: { eq: \"yesterday\" } }",
        "where: { startedAt: { eq: 1.5 } }",
        "where: { startedAt: { ne: 1 } }",
        "where: { hidden: 0 }",
        "where: { banana: { eq: 1 } }",
    ] {
        let query = format!("{{ steps({arguments}) {{ nodes {{ stepid }} }} }}");
        cases.push((query, Value::Null));
    }
    for value in [
        json!("5"),
        json!(3_000_000_000_i64),
        json!(1.5),
        json!(true),
        json!([1]),
    ] {
        let query = "query($n: Int) { steps(first: $n) { nodes { stepid } } }";
        cases.push((query.to_owned(), value));
    }
    for field in [
        "step(stepid: 3000000000)",
        "step(stepid: \"1\")",
        "build(buildid: 3000000000)",
        "builder(builderid: 3000000000)",
        "builder(name: 42)",
    ] {
        cases.push((format!("{{ {field} {{ id }} }}"), Value::Null));
    }
    let mut taken = Vec::new();
    for (query, value) in cases {
        let response = client.execute(&query, json!({ "n": value })).await;
        // Only the nullable field's null may be present.
        let data = response["data"].as_object();
        let empty = data.is_none_or(|data| data.values().all(Value::is_null));
        if !empty || !response["errors"][0]["message"].is_string() {
            taken.push((query, value));
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
}
