//! A canonical operation as text: two requests with the same text ask for the same, in whatever
//! words.

use async_graphql::parser::types::{OperationDefinition, Selection, SelectionSet};

/// The operation as text.
pub(crate) fn canonical_text(operation: &OperationDefinition) -> String {
    canonical_text_without(operation, &[])
}

/// The operation as text, without these arguments of its root fields.
pub(crate) fn canonical_text_without(operation: &OperationDefinition, left_out: &[&str]) -> String {
    let mut text = String::new();
    write_set(&mut text, &operation.selection_set.node, left_out);
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
