//! The fragments of a parsed document.

use std::collections::HashMap;

use apollo_compiler::{
    Name, Node,
    ast::{Definition, Document, FragmentDefinition},
};

/// Fragments by their names. Of two with one name, which the validation refuses, it is the last.
pub(crate) type Fragments<'d> = HashMap<&'d Name, &'d Node<FragmentDefinition>>;

pub(crate) fn fragments_of(document: &Document) -> Fragments<'_> {
    let definitions = document.definitions.iter();
    let fragments = definitions.filter_map(|definition| match definition {
        Definition::FragmentDefinition(fragment) => Some((&fragment.name, fragment)),
        _ => None,
    });
    fragments.collect()
}
