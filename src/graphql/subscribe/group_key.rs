//! Which subscribers share a subscription: those with the same operation and the same variables,
//! wherever each of them starts.

use async_graphql::Name;

use crate::{
    auth::{caller::Caller, scope::Scope},
    graphql::prepare::{document::DocumentHash, operation::PreparedOperation},
};

/// What the members of a shared subscription have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    document: DocumentHash,
    operation: Option<String>,
    /// As text, without the variables that only say where to start.
    variables: String,
    /// The only property of a caller that its responses depend on.
    scope: Option<Scope>,
}

impl GroupKey {
    pub(crate) fn new(operation: &PreparedOperation, caller: &Caller) -> Self {
        Self {
            document: operation.document.hash,
            operation: operation.name.clone(),
            variables: shared_variables(operation),
            scope: caller.scope(),
        }
    }
}

/// The variables that distinguish one shared subscription from another, as text.
fn shared_variables(operation: &PreparedOperation) -> String {
    let text = &operation.document.text;
    let arguments = operation.root_field().map(|field| &field.node.arguments);
    // A variable that occurs twice, in its definition and here, has no other use.
    let snapshot = arguments
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.node == "snapshot")
        .map(|(_, value)| value.node.to_string())
        .find(|value| value.starts_with('$') && text.matches(value.as_str()).count() == 2);
    let definitions = operation
        .definition()
        .map(|o| o.variable_definitions.as_slice());
    let mut shared: Vec<(&Name, String)> = definitions
        .into_iter()
        .flatten()
        .filter(|definition| {
            let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
            // Only `after` takes a cursor.
            ty.base.to_string() != "EventCursor"
                && snapshot.as_ref().is_none_or(|s| s[1..] != **name)
        })
        .filter_map(|definition| {
            let name = &definition.node.name.node;
            Some((name, operation.variables.get(name)?.to_string()))
        })
        .collect();
    shared.sort();
    format!("{shared:?}")
}
