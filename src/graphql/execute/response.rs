//! Shapes a response as the specification demands and async-graphql 7.2 does not: the fields of an
//! object stand in the order of the selection, not in the order in which they became ready; and a
//! failed field is null, or its nearest nullable parent if it is non-null. The library omits a
//! failed field from its object, and makes an object of which no field is left null.

use std::collections::HashMap;

use async_graphql::{
    Name, PathSegment, Positioned, Response, Value,
    indexmap::IndexMap,
    parser::types::{
        BaseType, FragmentDefinition, OperationDefinition, Selection, SelectionSet, Type,
    },
};

use crate::graphql::prepare::schema_types::{SchemaTypes, base_type_name, root_type_name};

/// Shapes the responses to one operation. Shapes found for one response serve the next.
pub(crate) struct ResponseShaper<'d> {
    root: &'static str,
    shape: ObjectShape<'d>,
    fragments: &'d Fragments,
    types: &'d SchemaTypes,
}

impl<'d> ResponseShaper<'d> {
    pub(crate) fn new(
        operation: &'d OperationDefinition,
        fragments: &'d Fragments,
        types: &'d SchemaTypes,
    ) -> Self {
        Self {
            root: root_type_name(operation.ty),
            shape: ObjectShape {
                sets: vec![&operation.selection_set.node],
                fields: None,
            },
            fragments,
            types,
        }
    }

    /// Restores failed fields and propagates their nulls, then orders the fields of the data.
    pub(crate) fn finish(&mut self, response: &mut Response) {
        // All of them first: once nulls propagate, a null on a path may stand for a failed parent.
        for error in &response.errors {
            restore_failed(&mut response.data, &error.path);
        }
        for error in &response.errors {
            if let Some(depth) = self.nullable_depth(&error.path) {
                set_null(&mut response.data, &error.path[..depth]);
            }
        }
        order_fields(&mut self.shape, self.fragments, &mut response.data);
    }

    /// How many segments of an error's path lead to the value that becomes null: 0 for all of the
    /// data. `None` if the path leads nowhere.
    fn nullable_depth(&mut self, path: &[PathSegment]) -> Option<usize> {
        let mut deepest = (!path.is_empty()).then_some(0);
        let (mut shape, mut object) = (&mut self.shape, self.root);
        let mut ty: Option<&Type> = None;
        for (depth, segment) in path.iter().enumerate() {
            match segment {
                PathSegment::Field(key) => {
                    let field = shape.fields(self.fragments).get_mut(key.as_str())?;
                    // A fragment on a concrete type may select what the interface lacks.
                    let on = field.on.unwrap_or(object);
                    let found = &self.types.field(on, field.name)?.ty;
                    object = base_type_name(found);
                    shape = &mut field.inner;
                    ty = Some(found);
                }
                PathSegment::Index(_) => match &ty?.base {
                    BaseType::List(inner) => ty = Some(inner),
                    BaseType::Named(_) => return None,
                },
            }
            if ty?.nullable {
                deepest = Some(depth + 1);
            }
        }
        deepest
    }
}

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// What is selected of the object at one path of the response.
struct ObjectShape<'d> {
    sets: Vec<&'d SelectionSet>,
    /// By response key, in order; computed on first use.
    fields: Option<IndexMap<&'d str, FieldShape<'d>>>,
}

struct FieldShape<'d> {
    /// The type condition of the nearest fragment around it.
    on: Option<&'d str>,
    name: &'d str,
    inner: ObjectShape<'d>,
}

impl<'d> ObjectShape<'d> {
    fn fields(&mut self, fragments: &'d Fragments) -> &mut IndexMap<&'d str, FieldShape<'d>> {
        self.fields.get_or_insert_with(|| {
            let mut collector = FieldCollector {
                fragments,
                fields: IndexMap::new(),
                spread: Vec::new(),
            };
            for set in &self.sets {
                collector.collect(None, set);
            }
            collector.fields
        })
    }
}

/// Collects the fields of one object from its selection sets.
struct FieldCollector<'d> {
    fragments: &'d Fragments,
    fields: IndexMap<&'d str, FieldShape<'d>>,
    /// The fragments already collected: a repeated spread adds nothing.
    spread: Vec<&'d Name>,
}

impl<'d> FieldCollector<'d> {
    /// Adds the fields of a selection set; `on` is the type condition around it, if any.
    fn collect(&mut self, on: Option<&'d str>, set: &'d SelectionSet) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let key = field.response_key().node.as_str();
                    let entry = self.fields.entry(key).or_insert_with(|| FieldShape {
                        on,
                        name: &field.name.node,
                        inner: ObjectShape {
                            sets: Vec::new(),
                            fields: None,
                        },
                    });
                    // Fields with the same key merge, so every set counts.
                    entry.inner.sets.push(&field.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map(|c| c.node.on.node.as_str()).or(on);
                    self.collect(on, &fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.fragments.get(name)
                        && !self.spread.contains(&name)
                    {
                        self.spread.push(name);
                        let on = Some(fragment.node.type_condition.node.on.node.as_str());
                        self.collect(on, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}

/// Sets the failed field at the end of an error's path to null. A null above it is an object that
/// lost all its fields, since a field can only fail in an object that is there.
fn restore_failed(value: &mut Value, path: &[PathSegment]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if matches!(first, PathSegment::Field(_)) && *value == Value::Null {
        *value = Value::Object(IndexMap::new());
    }
    match (first, value) {
        (PathSegment::Field(key), Value::Object(fields)) => {
            let field = fields.entry(Name::new(key)).or_insert(Value::Null);
            restore_failed(field, rest);
        }
        (PathSegment::Index(i), Value::List(items)) => {
            if let Some(item) = items.get_mut(*i) {
                restore_failed(item, rest);
            }
        }
        _ => {}
    }
}

/// Sets the value at a path to null, unless a parent of it is null already.
fn set_null(value: &mut Value, path: &[PathSegment]) {
    let Some((first, rest)) = path.split_first() else {
        *value = Value::Null;
        return;
    };
    match (first, value) {
        (PathSegment::Field(key), Value::Object(fields)) => {
            if let Some(field) = fields.get_mut(key.as_str()) {
                set_null(field, rest);
            }
        }
        (PathSegment::Index(i), Value::List(items)) => {
            if let Some(item) = items.get_mut(*i) {
                set_null(item, rest);
            }
        }
        _ => {}
    }
}

fn order_fields<'d>(shape: &mut ObjectShape<'d>, fragments: &'d Fragments, value: &mut Value) {
    match value {
        Value::List(items) => {
            for item in items {
                order_fields(shape, fragments, item);
            }
        }
        Value::Object(object) => {
            let fields = shape.fields(fragments);
            // Most objects are already in order, and sorting would allocate for each.
            if !is_in_order(object, fields) {
                object.sort_by_cached_key(|key, _| fields.get_index_of(key.as_str()));
            }
            for (key, value) in object {
                if matches!(value, Value::Object(_) | Value::List(_))
                    && let Some(field) = fields.get_mut(key.as_str())
                {
                    order_fields(&mut field.inner, fragments, value);
                }
            }
        }
        _ => {}
    }
}

fn is_in_order(object: &IndexMap<Name, Value>, fields: &IndexMap<&str, FieldShape<'_>>) -> bool {
    // Skipped fields are missing, so the keys are a subsequence of those selected.
    let mut wanted = fields.keys();
    object.keys().all(|key| wanted.any(|w| *w == key.as_str()))
}
