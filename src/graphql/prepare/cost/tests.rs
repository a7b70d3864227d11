//! What operations cost.

use serde_json::json;

use super::*;
use crate::graphql::prepare::testing::{prepare, types};

fn measure(text: &str, variables: &serde_json::Value, flags: &[&str]) -> Result<Cost, ServerError> {
    let limits = LimitConfig::of(flags);
    let canonical = prepare(text, variables, flags).expect("a valid document");
    measure_cost(&canonical, types(), &limits)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of cases")]
fn objects_are_counted_before_they_are_read() {
    for (text, objects) in [
        ("{ __typename eventCursor }", 0),
        ("{ build(buildid: 1) { number } }", 1),
        ("{ builds { totalCount } }", 1),
        ("{ builds { nodes { number } } }", 51),
        ("{ builds { nodes { number } pageInfo { endCursor } } }", 52),
        (
            "{ builds(first: 3) { edges { cursor node { number } } } }",
            7,
        ),
        ("{ builds(last: 7) { nodes { number } } }", 8),
        ("{ builds(first: 0) { nodes { number } } }", 1),
        ("{ builds(first: null) { nodes { number } } }", 51),
        // Counted as large as possible until they are refused.
        ("{ builds(first: -1) { nodes { number } } }", 501),
        ("{ builds(first: 1, last: 9) { nodes { number } } }", 10),
        ("{ build(buildid: 1) { steps { name } } }", 21),
        ("{ build(buildid: 1) { steps(limit: 3) { name } } }", 4),
        (
            "{ build(buildid: 1) { steps(limit: -3) { name } } }",
            10_001,
        ),
        (
            "{ build(buildid: 1) { steps(nameOrNumber: 3) { name } } }",
            2,
        ),
        (
            "{ build(buildid: 1) { steps(nameOrNumber: null) { name } } }",
            21,
        ),
        ("{ builds { nodes { steps { urls { url } } } } }", 3_051),
        (
            "{ step(stepid: 1) { logs { name } log(slug: \"stdio\") { name } } }",
            4,
        ),
        (
            "{ builder(builderid: 1) { tags builds { nodes { builder { tags } } } } }",
            102,
        ),
        (
            "{ node(id: \"x\") { ... on Build { steps { name } } } }",
            21,
        ),
        (
            "{ nodes(ids: [1, 2, 2]) { id ... on Build { steps { name } } } }",
            3 * 21,
        ),
        (
            "{ nodes(ids: []) { id } nodeless: nodes(ids: 1) { id } }",
            1,
        ),
        (
            "{ _entities(representations: [{}, 1, 2]) { ... on Build { steps { name } } ... on Step { name } } }",
            3 * 21,
        ),
        (
            "{ builder(builderid: 1) { stats { builds results { count } steps { name } } } }",
            2 + 7 + 20,
        ),
        // A text as long as many objects, each time it is asked for.
        ("{ _service { sdl again: sdl } }", 501),
        // The same field again is merged.
        ("{ builds { totalCount } builds { totalCount } }", 1),
        // A node is of one type: the costliest counts.
        (
            "{ node(id: \"x\") { ... on Build { steps { name } } ... on Builder { builds(first: 3) { nodes { id } } } } }",
            21,
        ),
        (
            "{ ...F ...F } fragment F on Query { builds { ...G } } \
          fragment G on BuildConnection { nodes { number } }",
            51,
        ),
        (
            "{ a: builds(first: 2) { ...G } b: builds(first: 5) { ...G } } \
          fragment G on BuildConnection { ... { nodes { number } } }",
            9,
        ),
        (
            "mutation { newStep(buildid: 1, name: \"a\") { cursor step { name } } }",
            2,
        ),
        (
            "subscription { stepEvents { cursor step { build { steps { name } } } } }",
            23,
        ),
    ] {
        let cost = measure(text, &json!({}), &[]).expect(text);
        assert_eq!(cost.objects, objects, "{text}");
    }
}

#[test]
fn variables_and_their_defaults_count() {
    let text =
        "query($n: Int = 7, $l: Int) { builds(first: $n) { nodes { steps(limit: $l) { name } } } }";
    for (variables, objects) in [
        (json!({}), 1 + 7 * 21),
        (json!({ "n": 2 }), 1 + 2 * 21),
        (json!({ "n": null }), 1 + 50 * 21),
        (json!({ "n": 1, "l": 100 }), 1 + 101),
        (json!({ "n": -1 }), 1 + 500 * 21),
    ] {
        let cost = measure(text, &variables, &[]).expect("cheap");
        assert_eq!(cost.objects, objects, "{variables}");
    }
}

#[test]
fn what_is_at_the_limit_passes_and_one_more_does_not() {
    let text = "{ build(buildid: 1) { number }\n builds(first: 3) { nodes { number } } }";
    let at = measure(text, &json!({}), &["--max-cost", "5", "--max-values", "9"]);
    let cost = Cost {
        objects: 5,
        values: 9,
        searched: 0,
    };
    assert_eq!(at.expect("at the limit"), cost);
    for (flags, message) in [
        (
            ["--max-cost", "4"],
            "max-cost is 4, and this has 5 objects that it may return, too many from builds on",
        ),
        (
            ["--max-values", "8"],
            "max-values is 8, and this has 9 fields of objects that it may return, too many from builds on",
        ),
    ] {
        let error = measure(text, &json!({}), &flags).expect_err("one too many");
        assert!(error.message.starts_with(message), "{}", error.message);
        assert_eq!(error.locations, [Pos { line: 2, column: 2 }]);
    }
}

#[test]
fn no_number_is_too_large() {
    let level =
        |inner: String| format!("builds(first: 500) {{ nodes {{ builder {{ {inner} }} }} }}");
    let deep = (0..12).fold("name".to_owned(), |inner, _| level(inner));
    let text = format!("{{ builder(builderid: 1) {{ {deep} }} }}");
    let error = measure(&text, &json!({}), &["--max-depth", "64"]).expect_err("far too much");
    assert!(
        error.message.contains(&u64::MAX.to_string()),
        "{}",
        error.message
    );
}
