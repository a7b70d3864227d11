//! Which subscribers share a subscription: those with the same canonical operation, in whatever
//! words they asked for it, wherever each of them starts.

#[cfg(any(test, fuzzing))]
use async_graphql::parser::types::OperationDefinition;
use async_graphql::parser::types::{Selection, SelectionSet};

use crate::{
    auth::{caller::Caller, scope::Scope},
    graphql::prepare::operation::PreparedOperation,
};

/// The arguments of the root field that only say where to start.
const START: [&str; 2] = ["after", "snapshot"];

/// What the members of a shared subscription have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    /// The canonical operation as text, without where to start.
    operation: String,
    /// The only property of a caller that its responses depend on.
    scope: Option<Scope>,
}

impl GroupKey {
    pub(crate) fn new(operation: &PreparedOperation, caller: &Caller) -> Self {
        let mut text = String::new();
        write_set(&mut text, &operation.canonical.selection_set.node, &START);
        Self {
            operation: text,
            scope: caller.scope(),
        }
    }
}

/// A canonical operation as text.
#[cfg(any(test, fuzzing))]
pub(crate) fn canonical_text(operation: &OperationDefinition) -> String {
    let mut text = String::new();
    write_set(&mut text, &operation.selection_set.node, &[]);
    text
}

/// Writes a canonical set without the arguments `left_out` of its fields.
fn write_set(text: &mut String, set: &SelectionSet, left_out: &[&str]) {
    if set.items.is_empty() {
        return;
    }
    text.push('{');
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => {
                let field = &field.node;
                if let Some(alias) = &field.alias {
                    push(text, &[&alias.node, ":"]);
                }
                push(text, &[&field.name.node, "("]);
                for (name, value) in &field.arguments {
                    if !left_out.contains(&name.node.as_str()) {
                        push(text, &[&name.node, ":", &value.node.to_string(), ","]);
                    }
                }
                text.push(')');
                write_set(text, &field.selection_set.node, &[]);
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                push(text, &["...", condition.map_or("", |c| &c.node.on.node)]);
                write_set(text, &fragment.node.selection_set.node, left_out);
            }
            // A canonical operation has none.
            Selection::FragmentSpread(_) => {}
        }
    }
    text.push('}');
}

fn push(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
}
