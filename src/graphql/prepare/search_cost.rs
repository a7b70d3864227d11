//! What filters and counts cost: they read rows that they do not return.

use async_graphql::{
    Value,
    parser::types::{Field, Selection, SelectionSet},
};

use crate::{
    domain::builder_stats::{DEFAULT_LAST, MAX_LAST},
    graphql::prepare::list_size::number,
};

/// What a test for a part of a text costs, in points: it reads every row.
const TEXT_POINTS: u64 = 10;
/// What any other test of a filter costs.
const TEST_POINTS: u64 = 1;
/// What counting the rows of a connection costs: it reads them all.
pub(crate) const COUNT_POINTS: u64 = 10;

/// How many steps a build is assumed to have if no limit is given.
pub(crate) const STEPS: u64 = 20;
/// How many rows that statistics add up cost a point: a row costs less than an object.
const ROWS_PER_POINT: u64 = 50;

/// What a field costs that adds up rows and does not return them.
pub(crate) fn points_of_sums(field: &Field, on: &str) -> u64 {
    match (on, field.name.node.as_str()) {
        ("Builder", "stats") => {
            let builds = number(field, "last", MAX_LAST).unwrap_or(DEFAULT_LAST);
            let wants_steps = selects(&field.selection_set.node, "steps");
            let rows = builds * if wants_steps { 1 + STEPS } else { 1 };
            rows.div_ceil(ROWS_PER_POINT)
        }
        // Read once for all builds of a builder.
        ("Build", "expectedCompleteAt") => 1,
        ("Log", "search") => TEXT_POINTS,
        _ => 0,
    }
}

/// Whether a selection has the field, in a fragment or not.
fn selects(set: &SelectionSet, name: &str) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => field.node.name.node == name,
        Selection::InlineFragment(part) => selects(&part.node.selection_set.node, name),
        // A canonical operation has none.
        Selection::FragmentSpread(_) => false,
    })
}

/// What the tests of a filter cost, in points.
pub(crate) fn points_of_tests(filter: &Value) -> u64 {
    match filter {
        Value::List(filters) => filters.iter().map(points_of_tests).sum(),
        Value::Object(parts) => {
            let points = parts
                .iter()
                .map(|(name, part)| match (name.as_str(), part) {
                    (_, Value::Null) => 0,
                    ("contains" | "containsIgnoreCase", _) => TEXT_POINTS,
                    // A list of values, and not of filters.
                    ("in" | "notIn", _) => TEST_POINTS,
                    (_, part) => points_of_tests(part),
                });
            points.sum()
        }
        _ => TEST_POINTS,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        config::limit::LimitConfig,
        graphql::prepare::{
            cost::{Cost, measure_cost},
            testing::{prepare, types},
        },
    };

    fn measure(text: &str, variables: &serde_json::Value) -> Cost {
        let canonical = prepare(text, variables, &[]).expect("a valid document");
        measure_cost(&canonical, types(), &LimitConfig::of(&[])).expect("cheap")
    }

    #[test]
    fn what_is_searched_costs_points_and_counts_towards_no_limit() {
        let text = "query($w: StepFilter) { steps(where: $w, first: 0) { totalCount } }";
        let tests = |count: usize| {
            let tests = (0..count).map(|i| json!({ "name": { "contains": format!("x{i}") } }));
            json!({ "w": { "or": tests.collect::<Vec<_>>() } })
        };
        for (variables, searched) in [
            (json!({}), 10),
            (json!({ "w": null }), 10),
            (tests(450), 4_510),
            (json!({ "w": { "buildid": { "in": [1, 2, 3] } } }), 11),
            (
                json!({ "w": { "not": { "buildid": { "gt": 1, "lt": 3 }, "hidden": null } } }),
                12,
            ),
        ] {
            let cost = measure(text, &variables);
            assert_eq!((cost.objects, cost.searched), (1, searched), "{variables}");
        }
        for (text, searched) in [
            ("{ builder(builderid: 1) { stats { builds } } }", 1),
            ("{ builder(builderid: 1) { stats(last: 1) { builds } } }", 1),
            (
                "{ builder(builderid: 1) { stats(last: 51) { builds } } }",
                2,
            ),
            (
                "{ builder(builderid: 1) { stats(last: -1) { builds } } }",
                10,
            ),
            ("{ builder(builderid: 1) { stats { steps { name } } } }", 21),
            (
                "{ builders(first: 4) { nodes { stats(last: 500) { ... { steps { name } } } } } }",
                4 * 210,
            ),
            ("{ builds(first: 3) { nodes { expectedCompleteAt } } }", 3),
        ] {
            assert_eq!(measure(text, &json!({})).searched, searched, "{text}");
        }
        let text = "{ builders(first: 5) { nodes { builds(where: { stateString: { contains: \"x\" } }) { totalCount } } } }";
        let cost = measure(text, &json!({}));
        assert_eq!((cost.searched, cost.points()), (5 * 20, 1 + 5 * 2 + 5 * 20));
    }
}
