//! What subscribers ask who are one group: the same operation with the same variables, wherever each of them begins.

use async_graphql::Name;

use crate::{
    auth::{caller::Caller, scope::Scope},
    graphql::prepare::{document::DocumentHash, operation::PreparedOperation},
};

/// What the members of a group have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    document: DocumentHash,
    operation: Option<String>,
    /// Without those that only say where to begin.
    variables: String,
    /// All that an answer has of who asks; it is the same for everybody with it.
    scope: Option<Scope>,
}

impl GroupKey {
    pub(crate) fn new(asked: &PreparedOperation, caller: &Caller) -> Self {
        Self {
            document: asked.document.hash,
            operation: asked.operation.clone(),
            variables: shared_variables(asked),
            scope: caller.scope(),
        }
    }
}

/// The variables that tell one group from another, as text.
fn shared_variables(asked: &PreparedOperation) -> String {
    let text = &asked.document.text;
    let arguments = asked.root_field().map(|field| &field.node.arguments);
    // A variable that is written twice, where it is defined and here, is used for nothing else.
    let snapshot = arguments
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.node == "snapshot")
        .map(|(_, value)| value.node.to_string())
        .find(|value| value.starts_with('$') && text.matches(value.as_str()).count() == 2);
    let definitions = asked.operation().map(|o| o.variable_definitions.as_slice());
    let mut shared: Vec<(&Name, String)> = definitions
        .into_iter()
        .flatten()
        .filter(|definition| {
            let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
            // Nothing but `after` takes a cursor.
            ty.base.to_string() != "EventCursor"
                && snapshot.as_ref().is_none_or(|s| s[1..] != **name)
        })
        .filter_map(|definition| {
            let name = &definition.node.name.node;
            Some((name, asked.variables.get(name)?.to_string()))
        })
        .collect();
    shared.sort();
    format!("{shared:?}")
}
