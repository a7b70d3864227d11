//! Parts of a canonical operation that the server adds itself.

use apollo_compiler::Name;
use async_graphql::{
    Name as OutputName, Pos, Positioned,
    parser::types::{self as library, TypeCondition},
};

/// The response key of a `__typename` that the server asks for itself; no request can write it.
pub(crate) const MARKER: &str = "";

/// A part of the canonical operation that is written nowhere in the document.
pub(crate) fn nowhere<T>(node: T) -> Positioned<T> {
    Positioned::new(node, Pos::default())
}

/// A `__typename` under the key `MARKER`.
pub(crate) fn marker() -> Positioned<library::Selection> {
    nowhere(library::Selection::Field(nowhere(library::Field {
        alias: Some(nowhere(OutputName::new(MARKER))),
        name: nowhere(OutputName::new("__typename")),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: nowhere(library::SelectionSet::default()),
    })))
}

pub(crate) fn is_marker(item: &Positioned<library::Selection>) -> bool {
    match &item.node {
        library::Selection::Field(field) => field.node.response_key().node == MARKER,
        _ => false,
    }
}

/// A fragment on an object type.
pub(crate) fn fragment_on(
    object: &Name,
    items: Vec<Positioned<library::Selection>>,
) -> Positioned<library::Selection> {
    nowhere(library::Selection::InlineFragment(nowhere(
        library::InlineFragment {
            type_condition: Some(nowhere(TypeCondition {
                on: nowhere(OutputName::new(object)),
            })),
            directives: Vec::new(),
            selection_set: nowhere(library::SelectionSet { items }),
        },
    )))
}
