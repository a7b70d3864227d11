//! What an operation may return at most, worked out before it runs, in one walk that measures each
//! fragment once.
//!
//! A list counts its page size. What lies in the rows of a connection is measured for one row,
//! since a fragment may stand between the field that says how many rows there are and `nodes` or
//! `edges`. The walk expects a validated document, whose fragments contain no cycle and do not nest
//! too deep.

use std::{
    collections::HashMap,
    ops::{AddAssign, Mul},
};

use async_graphql::{
    Name, Pos, ServerError, Value as Constant, Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};

use crate::{
    config::limit::LimitConfig,
    domain::page_input::{DEFAULT_SIZE, MAX_LIMIT, MAX_SIZE},
    graphql::{
        execute::errors,
        prepare::schema_types::{FieldType, SchemaTypes, base_type_name, is_list, root_type_name},
    },
};

/// How many steps a build is assumed to have if no limit is given.
const STEPS: u64 = 20;
/// How many links a step is assumed to have.
const URLS: u64 = 2;
/// The assumed length of a list of introspection, other than that of all types.
const INTROSPECTED: u64 = 2;

/// How much may be returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) objects: u64,
    /// The fields of all objects.
    pub(crate) values: u64,
}

impl Cost {
    const OBJECT: Self = Self {
        objects: 1,
        values: 0,
    };
    const VALUE: Self = Self {
        objects: 0,
        values: 1,
    };
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.objects = self.objects.saturating_add(other.objects);
        self.values = self.values.saturating_add(other.values);
    }
}

impl Mul<u64> for Cost {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self {
            objects: self.objects.saturating_mul(times),
            values: self.values.saturating_mul(times),
        }
    }
}

/// How much a selection set may return for one parent.
#[derive(Clone, Copy, Default)]
struct SelectionCost {
    once: Cost,
    /// For each row, where the parent is a connection.
    row: Cost,
}

/// How much an operation may return with these variables. Fails if that exceeds a limit.
pub(crate) fn measure_cost(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    types: &SchemaTypes,
    limits: &LimitConfig,
) -> Result<Cost, ServerError> {
    let mut walk = CostWalk {
        document,
        operation,
        variables,
        types,
        limits,
        fragments: HashMap::new(),
        passed_at: None,
    };
    let set = &operation.selection_set.node;
    let SelectionCost { once: cost, .. } = walk.measure_set(set, root_type_name(operation.ty));
    let Some((name, pos)) = walk.passed_at else {
        return Ok(cost);
    };
    Err(if cost.objects > limits.max_cost {
        let what = format!("objects that it may return, too many from {name} on");
        let advice = "ask for smaller pages (first, last, limit) or for less in each row";
        let (limit, max) = ("max-cost", limits.max_cost);
        errors::limit(limit, max, cost.objects, &what, advice, &[pos])
    } else {
        let what = format!("fields of objects that it may return, too many from {name} on");
        let advice = "ask for smaller pages (first, last, limit), and for each field once";
        let (limit, max) = ("max-values", limits.max_values);
        errors::limit(limit, max, cost.values, &what, advice, &[pos])
    })
}

struct CostWalk<'d> {
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    variables: &'d Variables,
    types: &'d SchemaTypes,
    limits: &'d LimitConfig,
    fragments: HashMap<&'d Name, SelectionCost>,
    /// The limit that was exceeded first, and where.
    passed_at: Option<(&'d str, Pos)>,
}

impl<'d> CostWalk<'d> {
    fn measure_set(&mut self, set: &'d SelectionSet, on: &'d str) -> SelectionCost {
        let mut sum = SelectionCost::default();
        for item in &set.items {
            let (name, part) = match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let cost = self.measure_field(field, on);
                    let is_row = on.ends_with("Connection")
                        && matches!(field.name.node.as_str(), "nodes" | "edges");
                    let mut part = SelectionCost::default();
                    *(if is_row {
                        &mut part.row
                    } else {
                        &mut part.once
                    }) = cost;
                    (field.name.node.as_str(), part)
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |c| c.node.on.node.as_str());
                    let set = &fragment.node.selection_set.node;
                    ("an inline fragment", self.measure_set(set, on))
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    (name.as_str(), self.measure_fragment(name))
                }
            };
            sum.once += part.once;
            sum.row += part.row;
            let Cost { objects, values } = sum.once;
            if objects > self.limits.max_cost || values > self.limits.max_values {
                self.passed_at.get_or_insert((name, item.pos));
            }
        }
        sum
    }

    fn measure_fragment(&mut self, name: &'d Name) -> SelectionCost {
        if let Some(known) = self.fragments.get(name) {
            return *known;
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return SelectionCost::default();
        };
        let on = fragment.node.type_condition.node.on.node.as_str();
        let cost = self.measure_set(&fragment.node.selection_set.node, on);
        self.fragments.insert(name, cost);
        cost
    }

    /// How much one field of one object may return; in the rows of a connection, for one row.
    fn measure_field(&mut self, field: &'d Field, on: &'d str) -> Cost {
        let mut cost = Cost::VALUE;
        // A field without a selection returns no object.
        let set = &field.selection_set.node;
        if set.items.is_empty() {
            return cost;
        }
        // The library refuses what the schema does not have.
        let known = self.types.field(on, &field.name.node);
        let inner = self.measure_set(set, known.map_or("", |k| base_type_name(&k.ty)));
        let mut object = Cost::OBJECT;
        object += inner.once;
        if let Some(known) = known {
            if known.arguments.contains_key("first") {
                object += inner.row * self.page_size(field);
            } else if is_list(&known.ty) && !on.ends_with("Connection") {
                object = object * self.list_length(field, on, known);
            }
        }
        cost += object;
        cost
    }

    /// How many rows of a connection are asked for.
    fn page_size(&self, field: &Field) -> u64 {
        let size = |name| self.number(field, name, MAX_SIZE);
        size("first").max(size("last")).unwrap_or(DEFAULT_SIZE)
    }

    /// The assumed length of any other list.
    fn list_length(&self, field: &Field, on: &str, known: &FieldType) -> u64 {
        match (on, field.name.node.as_str()) {
            ("Build", "steps") => match self.argument(field, "nameOrNumber") {
                Some(_) => 1,
                None => self.number(field, "limit", MAX_LIMIT).unwrap_or(STEPS),
            },
            ("Step", "urls") => URLS,
            ("__Schema", "types") => self.types.len() as u64,
            _ if base_type_name(&known.ty).starts_with("__") => INTROSPECTED,
            _ => DEFAULT_SIZE,
        }
    }

    /// The number of an argument, if one is given. A value that is no number up to `max` counts as
    /// `max`: it is refused later, and must not be cheap until then.
    fn number(&self, field: &Field, argument: &str, max: u64) -> Option<u64> {
        let number = match self.argument(field, argument)? {
            Constant::Number(number) => number.as_u64(),
            _ => None,
        };
        Some(number.map_or(max, |n| n.min(max)))
    }

    /// The value of an argument; `None` for a null too.
    fn argument(&self, field: &Field, name: &str) -> Option<Constant> {
        let (_, value) = field.arguments.iter().find(|(n, _)| n.node == name)?;
        let constant = value.node.clone().into_const_with(|variable| {
            let given = self.variables.get(&variable);
            given
                .or_else(|| self.default_of(&variable))
                .cloned()
                .ok_or(())
        });
        constant.ok().filter(|value| *value != Constant::Null)
    }

    /// The default of a variable.
    fn default_of(&self, variable: &str) -> Option<&'d Constant> {
        let mut definitions = self.operation.variable_definitions.iter();
        let definition = definitions.find(|d| d.node.name.node == variable)?;
        Some(&definition.node.default_value.as_ref()?.node)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;
    use crate::graphql::schema::sdl;

    fn measure(
        text: &str,
        variables: serde_json::Value,
        flags: &[&str],
    ) -> Result<Cost, ServerError> {
        let types = SchemaTypes::read(&sdl()).expect("a schema");
        let document = parse_query(text).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(variables);
        let limits = LimitConfig::of(flags);
        measure_cost(&document, &operation.node, &variables, &types, &limits)
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
            ("{ builds(first: 1.5) { nodes { number } } }", 501),
            ("{ builds(first: 99999999999) { nodes { number } } }", 501),
            ("{ builds(first: \"1\") { nodes { number } } }", 501),
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
                "{ builder(builderid: 1) { tags builds { nodes { builder { tags } } } } }",
                102,
            ),
            (
                "{ node(id: \"x\") { ... on Build { steps { name } } } }",
                21,
            ),
            // A repeated field is executed again.
            ("{ builds { totalCount } builds { totalCount } }", 2),
            (
                "{ ...F ...F } fragment F on Query { builds { ...G } } \
              fragment G on BuildConnection { nodes { number } }",
                102,
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
            let cost = measure(text, json!({}), &[]).expect(text);
            assert_eq!(cost.objects, objects, "{text}");
        }
    }

    #[test]
    fn variables_and_their_defaults_count() {
        let text = "query($n: Int = 7, $l: Int) { builds(first: $n) { nodes { steps(limit: $l) { name } } } }";
        for (variables, objects) in [
            (json!({}), 1 + 7 * 21),
            (json!({ "n": 2 }), 1 + 2 * 21),
            (json!({ "n": null }), 1 + 50 * 21),
            (json!({ "n": 1, "l": 100 }), 1 + 101),
            (json!({ "n": 1, "l": "x" }), 1 + 10_001),
            (json!({ "n": -1 }), 1 + 500 * 21),
        ] {
            let cost = measure(text, variables.clone(), &[]).expect("cheap");
            assert_eq!(cost.objects, objects, "{variables}");
        }
    }

    #[test]
    fn what_is_at_the_limit_passes_and_one_more_does_not() {
        let text = "{ build(buildid: 1) { number }\n builds(first: 3) { nodes { number } } }";
        let at = measure(text, json!({}), &["--max-cost", "5", "--max-values", "9"]);
        let cost = Cost {
            objects: 5,
            values: 9,
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
            let error = measure(text, json!({}), &flags).expect_err("one too many");
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
        let error = measure(&text, json!({}), &[]).expect_err("far too much");
        assert!(
            error.message.contains(&u64::MAX.to_string()),
            "{}",
            error.message
        );
    }
}
