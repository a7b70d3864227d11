//! Shapes a response as the specification demands and async-graphql 7.2 does not:
//! - a field that failed is null, and so is its nearest nullable parent if its type is not; the
//!   library omits the field, and makes null of an object of which nothing is left;
//! - the fields of an object stand in the order of the selection, not in the order in which they
//!   became ready;
//! - the markers of the canonical operation are taken out.

use apollo_compiler::ast::Type;
use async_graphql::{
    Name, PathSegment, Response, Value,
    indexmap::IndexMap,
    parser::types::{Field, OperationDefinition, Selection, SelectionSet},
};

use crate::graphql::prepare::{synthetic::MARKER, type_system::TypeSystem};

/// Shapes a response to a canonical operation.
pub(crate) fn shape_response(
    operation: &OperationDefinition,
    types: &TypeSystem,
    response: &mut Response,
) {
    let set = &operation.selection_set.node;
    let nulls = response.errors.iter().filter_map(|error| {
        set_failed(&mut response.data, &error.path);
        let root = Selected {
            set,
            on: types.root(operation.ty),
        };
        let depth = nullable_depth(types, root, &response.data, &error.path)?;
        Some(&error.path[..depth])
    });
    // All failed fields first: a parent that becomes null has them no longer.
    for path in nulls.collect::<Vec<_>>() {
        set_null(&mut response.data, path);
    }
    finish(set, &mut response.data);
}

/// The object around a field, and what is selected of it.
#[derive(Clone, Copy)]
struct Selected<'d> {
    set: &'d SelectionSet,
    on: &'d str,
}

/// Sets the field at the end of a path to null. Its path proves that each object on the way was
/// there.
fn set_failed(value: &mut Value, path: &[PathSegment]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match first {
        PathSegment::Field(key) => {
            if *value == Value::Null {
                *value = Value::Object(IndexMap::new());
            }
            if let Value::Object(fields) = value {
                set_failed(fields.entry(Name::new(key)).or_insert(Value::Null), rest);
            }
        }
        PathSegment::Index(index) => {
            if let Value::List(items) = value
                && let Some(item) = items.get_mut(*index)
            {
                set_failed(item, rest);
            }
        }
    }
}

/// How many segments of an error's path lead to the value that becomes null: 0 for all of the data.
/// `None` if the path leads nowhere.
fn nullable_depth(
    types: &TypeSystem,
    root: Selected<'_>,
    data: &Value,
    path: &[PathSegment],
) -> Option<usize> {
    let mut deepest = (!path.is_empty()).then_some(0);
    let (mut parent, mut value) = (root, Some(data));
    let mut ty = None;
    for (depth, segment) in path.iter().enumerate() {
        match segment {
            PathSegment::Field(key) => {
                let Some(Value::Object(object)) = value else {
                    return None;
                };
                parent = narrow(parent, object)?;
                let field = field_of(parent.set, key)?;
                let found = &types.field(parent.on, &field.name.node)?.ty;
                parent = Selected {
                    set: &field.selection_set.node,
                    on: found.inner_named_type(),
                };
                value = object.get(key.as_str());
                ty = Some(found);
            }
            PathSegment::Index(index) => {
                value = match value {
                    Some(Value::List(items)) => items.get(*index),
                    _ => None,
                };
                ty = ty.filter(|ty| ty.is_list()).map(Type::item_type);
            }
        }
        if !ty?.is_non_null() {
            deepest = Some(depth + 1);
        }
    }
    deepest
}

/// The selection of an object, which is that of its type where the parent's is an interface.
fn narrow<'d>(parent: Selected<'d>, object: &IndexMap<Name, Value>) -> Option<Selected<'d>> {
    let Some(Selection::InlineFragment(_)) = parent.set.items.first().map(|item| &item.node) else {
        return Some(parent);
    };
    let Value::String(ty) = object.get(MARKER)? else {
        return None;
    };
    parent.set.items.iter().find_map(|item| {
        let Selection::InlineFragment(fragment) = &item.node else {
            return None;
        };
        let on = fragment.node.type_condition.as_ref()?.node.on.node.as_str();
        let set = &fragment.node.selection_set.node;
        (on == ty).then_some(Selected { set, on })
    })
}

fn field_of<'d>(set: &'d SelectionSet, key: &str) -> Option<&'d Field> {
    set.items.iter().find_map(|item| match &item.node {
        Selection::Field(field) if field.node.response_key().node == key => Some(&field.node),
        _ => None,
    })
}

fn set_null(value: &mut Value, path: &[PathSegment]) {
    let Some((first, rest)) = path.split_first() else {
        *value = Value::Null;
        return;
    };
    let inner = match (first, value) {
        (PathSegment::Field(key), Value::Object(fields)) => fields.get_mut(key.as_str()),
        (PathSegment::Index(index), Value::List(items)) => items.get_mut(*index),
        // A parent is already null.
        _ => None,
    };
    if let Some(inner) = inner {
        set_null(inner, rest);
    }
}

/// Orders the fields of a value's objects, and takes out the markers.
fn finish(set: &SelectionSet, value: &mut Value) {
    match value {
        Value::List(items) => {
            for item in items {
                finish(set, item);
            }
        }
        Value::Object(object) => {
            let parent = Selected { set, on: "" };
            let Some(Selected { set, .. }) = narrow(parent, object) else {
                return;
            };
            // It stands last, or alone.
            if set
                .items
                .last()
                .is_some_and(|last| is_field(&last.node, MARKER))
            {
                object.shift_remove(MARKER);
            }
            // Most objects are already in order, and sorting would allocate for each.
            if !is_in_order(object, set) {
                object.sort_by_cached_key(|key, _| {
                    set.items.iter().position(|item| is_field(&item.node, key))
                });
            }
            let mut fields = set.items.iter();
            for (key, value) in object {
                // Both are in the same order.
                let field = fields.find(|item| is_field(&item.node, key));
                if let Some(Selection::Field(field)) = field.map(|item| &item.node)
                    && matches!(value, Value::Object(_) | Value::List(_))
                {
                    finish(&field.node.selection_set.node, value);
                }
            }
        }
        _ => {}
    }
}

fn is_in_order(object: &IndexMap<Name, Value>, set: &SelectionSet) -> bool {
    let mut wanted = set.items.iter();
    let mut keys = object.keys();
    keys.all(|key| wanted.any(|item| is_field(&item.node, key)))
}

fn is_field(item: &Selection, key: &str) -> bool {
    match item {
        Selection::Field(field) => field.node.response_key().node == key,
        _ => false,
    }
}
