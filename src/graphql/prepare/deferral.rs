//! The rules of the specification's draft for `@defer` and `@stream`, which this server answers at
//! once.

use std::collections::HashMap;

use apollo_compiler::{
    Node,
    ast::{Directive, Type, Value as Literal},
};

/// The labels of a document, each with the place of its directive.
#[derive(Default)]
pub(crate) struct Labels<'d>(HashMap<&'d str, usize>);

impl<'d> Labels<'d> {
    /// Notes the label of a directive. Fails with the broken rule; other directives have none.
    pub(crate) fn add(&mut self, directive: &'d Node<Directive>) -> Result<(), String> {
        let name = directive.name.as_str();
        if !matches!(name, "defer" | "stream") {
            return Ok(());
        }
        let Some(label) = directive.specified_argument_by_name("label") else {
            return Ok(());
        };
        match &**label {
            Literal::String(label) => {
                let at = directive.location().map_or(0, |location| location.offset());
                // The same fragment is visited once for each operation that spreads it.
                if *self.0.entry(label).or_insert(at) == at {
                    return Ok(());
                }
                Err(format!(
                    "label: each is unique in its document, got {label:?} again"
                ))
            }
            Literal::Variable(variable) => Err(format!(
                "label: a text in the document, got the variable ${variable}"
            )),
            _ => Ok(()),
        }
    }
}

/// Fails with the broken rule if there is a `@stream` at a field that is no list, or with a count
/// below 0.
pub(crate) fn check_stream(
    field: &str,
    ty: &Type,
    directives: &[Node<Directive>],
) -> Result<(), String> {
    let mut directives = directives.iter();
    let Some(stream) = directives.find(|directive| directive.name == "stream") else {
        return Ok(());
    };
    if !ty.is_list() {
        return Err(format!(
            "Directive \"@stream\" needs a list, got the field \"{field}\" of type \"{ty}\"."
        ));
    }
    match stream
        .specified_argument_by_name("initialCount")
        .map(|count| &**count)
    {
        Some(Literal::Int(count)) if count.as_str().starts_with('-') => Err(format!(
            "initialCount: a number from 0 on, got {}",
            count.as_str()
        )),
        _ => Ok(()),
    }
}

/// Fails with the broken rule if a part of the root of a mutation or a subscription is deferred.
pub(crate) fn check_root(
    is_single_root: bool,
    directives: &[Node<Directive>],
) -> Result<(), String> {
    let mut names = directives.iter().map(|directive| directive.name.as_str());
    match names.find(|name| matches!(*name, "defer" | "stream")) {
        Some(name) if is_single_root => Err(format!(
            "Directive \"@{name}\" is not allowed at the root of a mutation or a subscription."
        )),
        _ => Ok(()),
    }
}
