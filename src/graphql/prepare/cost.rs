//! What a canonical operation may return at most, worked out before it runs.
//!
//! A list counts its page size. What lies in the rows of a connection, below `nodes` or `edges`, is
//! measured for one row: the field around the connection says how many rows there are.

use std::ops::{AddAssign, Mul};

use apollo_compiler::ast::FieldDefinition;
use async_graphql::{
    Pos, ServerError,
    parser::types::{Field, OperationDefinition, Selection, SelectionSet},
};

use crate::{
    config::limit::LimitConfig,
    domain::{
        page_input::{DEFAULT_SIZE, MAX_LIMIT},
        results::Results,
    },
    graphql::{
        execute::errors,
        prepare::{
            list_size::{
                FEW, LINES_OF_TAIL, argument, is_row, items, lines_asked, number, page_size,
                values_in,
            },
            search_cost::{COUNT_POINTS, STEPS, points_of_sums, points_of_tests},
            synthetic::MARKER,
            type_system::TypeSystem,
        },
    },
};

/// What a schema as text counts for: it is as long as so many objects.
const SDL_OBJECTS: u64 = 250;
/// The assumed length of a list of introspection, other than that of all types.
const INTROSPECTED: u64 = 2;

/// How much may be returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) objects: u64,
    /// The fields of all objects.
    pub(crate) values: u64,
    /// The points for what is read and not returned: filters and counts. No limit of its own.
    pub(crate) searched: u64,
}

impl Cost {
    const OBJECT: Self = Self {
        objects: 1,
        values: 0,
        searched: 0,
    };
    const VALUE: Self = Self {
        objects: 0,
        values: 1,
        searched: 0,
    };

    /// The points that it costs.
    pub(crate) fn points(self) -> u64 {
        self.objects.saturating_add(self.searched)
    }

    /// The higher of each figure.
    fn max(self, other: Self) -> Self {
        Self {
            objects: self.objects.max(other.objects),
            values: self.values.max(other.values),
            searched: self.searched.max(other.searched),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.objects = self.objects.saturating_add(other.objects);
        self.values = self.values.saturating_add(other.values);
        self.searched = self.searched.saturating_add(other.searched);
    }
}

impl Mul<u64> for Cost {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self {
            objects: self.objects.saturating_mul(times),
            values: self.values.saturating_mul(times),
            searched: self.searched.saturating_mul(times),
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

/// How much a canonical operation may return. Fails if that exceeds a limit.
pub(crate) fn measure_cost(
    operation: &OperationDefinition,
    types: &TypeSystem,
    limits: &LimitConfig,
) -> Result<Cost, ServerError> {
    let mut walk = CostWalk {
        types,
        limits,
        passed_at: None,
    };
    let set = &operation.selection_set.node;
    let SelectionCost { once: cost, .. } = walk.measure_set(set, types.root(operation.ty));
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
    types: &'d TypeSystem,
    limits: &'d LimitConfig,
    /// The limit that was exceeded first, and where.
    passed_at: Option<(&'d str, Pos)>,
}

impl<'d> CostWalk<'d> {
    fn measure_set(&mut self, set: &'d SelectionSet, on: &'d str) -> SelectionCost {
        let mut sum = SelectionCost::default();
        for item in &set.items {
            let name = match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let cost = self.measure_field(field, on);
                    let is_row = is_row(on, &field.name.node);
                    *(if is_row { &mut sum.row } else { &mut sum.once }) += cost;
                    field.name.node.as_str()
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |c| c.node.on.node.as_str());
                    let part = self.measure_set(&fragment.node.selection_set.node, on);
                    // An object is of one type.
                    sum.once = sum.once.max(part.once);
                    "an inline fragment"
                }
                // A canonical operation has none.
                Selection::FragmentSpread(_) => continue,
            };
            let Cost {
                objects, values, ..
            } = sum.once;
            if objects > self.limits.max_cost || values > self.limits.max_values {
                self.passed_at.get_or_insert((name, item.pos));
            }
        }
        sum
    }

    /// How much one field of one object may return; in the rows of a connection, for one row.
    fn measure_field(&mut self, field: &'d Field, on: &'d str) -> Cost {
        if field.response_key().node == MARKER {
            return Cost::default();
        }
        // The library reads the arguments anew for each object that has the field.
        let mut cost = Cost::VALUE;
        let arguments = field.arguments.iter();
        let arguments = arguments.filter_map(|(_, value)| value.node.clone().into_const());
        cost.values += arguments.map(|value| values_in(&value)).sum::<u64>();
        cost.searched = points_of_sums(field, on);
        // A field without a selection returns no object.
        let set = &field.selection_set.node;
        if set.items.is_empty() {
            if (on, field.name.node.as_str()) == ("_Service", "sdl") {
                cost.objects += SDL_OBJECTS;
            }
            if on.ends_with("Connection") && field.name.node == "totalCount" {
                cost.searched += COUNT_POINTS;
            }
            return cost;
        }
        let types = self.types;
        let Some(known) = types.field(on, &field.name.node) else {
            return cost;
        };
        let inner = self.measure_set(set, known.ty.inner_named_type());
        let mut object = Cost::OBJECT;
        object.searched = argument(field, "where").map_or(0, |filter| points_of_tests(&filter));
        object += inner.once;
        if known.argument_by_name("first").is_some() {
            object += inner.row * page_size(field);
        } else if on == "Log" && known.argument_by_name("limit").is_some() {
            object += inner.row * lines_asked(field);
        } else if known.ty.is_list() && !is_row(on, &field.name.node) {
            object = object * self.list_length(field, on, known);
        }
        cost += object;
        cost
    }

    /// The assumed length of a list that is no connection.
    fn list_length(&self, field: &Field, on: &str, known: &FieldDefinition) -> u64 {
        match (on, field.name.node.as_str()) {
            ("Build", "steps") => match argument(field, "nameOrNumber") {
                Some(_) => 1,
                None => number(field, "limit", MAX_LIMIT).unwrap_or(STEPS),
            },
            ("LogTail", "lines") => LINES_OF_TAIL,
            ("Step", "logs" | "urls") => FEW,
            ("BuilderStats", "results") => Results::ALL.len() as u64,
            ("BuilderStats", "steps") => STEPS,
            ("Query", "nodes") => items(field, "ids"),
            ("Query", "_entities") => items(field, "representations"),
            ("__Schema", "types") => self.types.types.len() as u64,
            _ if known.ty.inner_named_type().starts_with("__") => INTROSPECTED,
            _ => DEFAULT_SIZE,
        }
    }
}

#[cfg(test)]
mod tests;
