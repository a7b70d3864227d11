//! Brings an answer into the form that the specification asks for, which async-graphql 7.2 leaves to chance:
//! the fields of an object stand in the order they were asked for, not in the order they were ready; and a field that
//! may not be null but failed takes its nearest nullable parent with it, instead of missing from its object.

use std::collections::HashMap;

use async_graphql::{
    Name, PathSegment, Positioned, Response, Value,
    indexmap::IndexMap,
    parser::types::{
        BaseType, FragmentDefinition, OperationDefinition, Selection, SelectionSet, Type,
    },
};

use crate::graphql::prepare::schema_types::{SchemaTypes, base_type_name, root_type_name};

/// The form of the answers to an operation; what is worked out for one serves the next.
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

    /// Brings an answer into this form.
    pub(crate) fn finish(&mut self, response: &mut Response) {
        let (shape, fragments, types) = (&mut self.shape, self.fragments, self.types);
        for error in &response.errors {
            let path = &error.path;
            if let Some(depth) = nullable_depth(shape, self.root, fragments, types, path) {
                set_null(&mut response.data, &path[..depth]);
            }
        }
        order(shape, fragments, &mut response.data);
    }
}

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// What an object's place in the answer is made of.
struct ObjectShape<'d> {
    sets: Vec<&'d SelectionSet>,
    /// By response key, in order; worked out when first needed.
    fields: Option<IndexMap<&'d str, FieldShape<'d>>>,
}

struct FieldShape<'d> {
    /// The type that a fragment names around it.
    on: Option<&'d str>,
    name: &'d str,
    inner: ObjectShape<'d>,
}

impl<'d> ObjectShape<'d> {
    fn fields(&mut self, fragments: &'d Fragments) -> &mut IndexMap<&'d str, FieldShape<'d>> {
        self.fields.get_or_insert_with(|| {
            let (mut fields, mut seen) = (IndexMap::new(), Vec::new());
            for set in &self.sets {
                collect(&mut fields, &mut seen, fragments, None, set);
            }
            fields
        })
    }
}

/// Each fragment is looked into once for an object: a second time it adds nothing.
fn collect<'d>(
    fields: &mut IndexMap<&'d str, FieldShape<'d>>,
    seen: &mut Vec<&'d Name>,
    fragments: &'d Fragments,
    on: Option<&'d str>,
    set: &'d SelectionSet,
) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => {
                let field = &field.node;
                let entry = fields
                    .entry(field.response_key().node.as_str())
                    .or_insert_with(|| FieldShape {
                        on,
                        name: &field.name.node,
                        inner: ObjectShape {
                            sets: Vec::new(),
                            fields: None,
                        },
                    });
                entry.inner.sets.push(&field.selection_set.node);
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                let on = condition.map(|c| c.node.on.node.as_str()).or(on);
                collect(
                    fields,
                    seen,
                    fragments,
                    on,
                    &fragment.node.selection_set.node,
                );
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if let Some(fragment) = fragments.get(name)
                    && !seen.contains(&name)
                {
                    seen.push(name);
                    let on = Some(fragment.node.type_condition.node.on.node.as_str());
                    collect(
                        fields,
                        seen,
                        fragments,
                        on,
                        &fragment.node.selection_set.node,
                    );
                }
            }
        }
    }
}

/// How long a part of the path leads to what becomes null: 0 is all of the data, none that the path leads nowhere.
fn nullable_depth<'d>(
    shape: &mut ObjectShape<'d>,
    root: &'d str,
    fragments: &'d Fragments,
    types: &'d SchemaTypes,
    path: &[PathSegment],
) -> Option<usize> {
    let mut deepest = (!path.is_empty()).then_some(0);
    let (mut shape, mut object) = (shape, root);
    let mut ty: Option<&'d Type> = None;
    for (depth, segment) in path.iter().enumerate() {
        match segment {
            PathSegment::Field(key) => {
                let field = shape.fields(fragments).get_mut(key.as_str())?;
                let found = &types.field(field.on.unwrap_or(object), field.name)?.ty;
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

fn set_null(value: &mut Value, path: &[PathSegment]) {
    let Some((first, rest)) = path.split_first() else {
        *value = Value::Null;
        return;
    };
    match (first, value) {
        (PathSegment::Field(key), Value::Object(fields)) => {
            let field = fields.entry(Name::new(key)).or_insert(Value::Null);
            set_null(field, rest);
        }
        (PathSegment::Index(i), Value::List(items)) => {
            if let Some(item) = items.get_mut(*i) {
                set_null(item, rest);
            }
        }
        // A parent is null already.
        _ => {}
    }
}

fn order<'d>(shape: &mut ObjectShape<'d>, fragments: &'d Fragments, value: &mut Value) {
    match value {
        Value::List(items) => {
            for item in items {
                order(shape, fragments, item);
            }
        }
        Value::Object(object) => {
            let fields = shape.fields(fragments);
            if !is_in_order(object, fields) {
                object.sort_by_cached_key(|key, _| fields.get_index_of(key.as_str()));
            }
            for (key, value) in object {
                if matches!(value, Value::Object(_) | Value::List(_))
                    && let Some(field) = fields.get_mut(key.as_str())
                {
                    order(&mut field.inner, fragments, value);
                }
            }
        }
        _ => {}
    }
}

fn is_in_order(object: &IndexMap<Name, Value>, fields: &IndexMap<&str, FieldShape<'_>>) -> bool {
    let mut wanted = fields.keys();
    object.keys().all(|key| wanted.any(|w| *w == key.as_str()))
}
