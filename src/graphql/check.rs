//! Refuses, before anything runs, what async-graphql 7.2 would find only while it executes, with earlier mutations already
//! committed: a variable that is missing, and a value that its scalar does not take, such as an Int beyond 32 bits.
//! All else that can be wrong with a document is the library's to find, which it does before it executes.

use std::collections::HashSet;

use async_graphql::{
    Name, Pos, Positioned, ServerError, Value, Variables,
    parser::types::{
        BaseType, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
        Type,
    },
};

use super::{
    error,
    scalar::{DateTime, NameOrNumber},
    types::{Types, named, root},
};

/// Deeper than this nothing is looked at: the library refuses such a document, at a depth of 32.
const MAX_DEPTH: usize = 64;

/// Checks the values of an operation.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    types: &Types,
) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let (name, ty) = (&definition.name.node, &definition.var_type.node);
        let default = definition.default_value.as_ref().map(|v| &v.node);
        match variables.get(name).or(default) {
            None | Some(Value::Null) if ty.nullable => {}
            None | Some(Value::Null) => {
                let message = format!("${name}: a value of the type {ty} is needed, got none");
                return Err(error::invalid_document(&message, definition.name.pos));
            }
            Some(value) => {
                let constants = Constants {
                    types,
                    in_document: false,
                };
                constants
                    .check(&format!("${name}"), value, ty)
                    .map_err(|wrong| wrong.at(definition.name.pos))?;
            }
        }
    }
    if operation.ty == OperationType::Subscription {
        check_root(&operation.selection_set)?;
    }
    let mut walk = Walk {
        document,
        types,
        seen: HashSet::new(),
    };
    walk.set(&operation.selection_set.node, root(operation.ty), 0)
}

/// Of a subscription's root the library takes several fields as several streams, and leaves a fragment out.
fn check_root(set: &Positioned<SelectionSet>) -> Result<(), ServerError> {
    let refused = |rule, pos| Err(error::invalid_document(rule, pos));
    let mut items = set.node.items.iter();
    let (Some(root), rest) = (items.next(), items.next()) else {
        return Ok(());
    };
    if let Some(second) = rest {
        let rule = "a subscription has one root field only: send a subscription for each";
        return refused(rule, second.pos);
    }
    let Selection::Field(field) = &root.node else {
        let rule = "the root field of a subscription is written out, not in a fragment";
        return refused(rule, root.pos);
    };
    if field.node.name.node.starts_with("__") {
        let rule = "the root field of a subscription is not one of introspection";
        return refused(rule, root.pos);
    }
    if let Some(directive) = field.node.directives.first() {
        let rule = "the root field of a subscription has no directives";
        return refused(rule, directive.pos);
    }
    Ok(())
}

/// A value that breaks a rule: where it stands, and the rule.
struct Wrong {
    path: String,
    rule: String,
}

impl Wrong {
    fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rule: rule.into(),
        }
    }

    fn at(self, pos: Pos) -> ServerError {
        error::bad_value(&self.path, &self.rule, pos)
    }
}

struct Walk<'d> {
    document: &'d ExecutableDocument,
    types: &'d Types,
    /// Fragments that were looked into: once is enough, wherever they are spread.
    seen: HashSet<&'d Name>,
}

impl<'d> Walk<'d> {
    fn set(&mut self, set: &'d SelectionSet, on: &'d str, depth: usize) -> Result<(), ServerError> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let (name, inner) = (&field.node.name, &field.node.selection_set);
                    if name.node == "__typename" && !inner.node.items.is_empty() {
                        let message = "Field \"__typename\" must not have a selection since type \"String!\" has no subfields";
                        return Err(error::invalid_document(message, name.pos));
                    }
                    // What the schema does not know, the library refuses.
                    let Some(member) = self.types.member(on, &name.node) else {
                        continue;
                    };
                    for (argument, value) in &field.node.arguments {
                        let Some(ty) = member.arguments.get(argument.node.as_str()) else {
                            continue;
                        };
                        // Variables were checked on their own; here they stand for nothing.
                        let constant = value
                            .node
                            .clone()
                            .into_const_with(|_| Ok::<_, ()>(Value::Null));
                        let constants = Constants {
                            types: self.types,
                            in_document: true,
                        };
                        constants
                            .check(&argument.node, &constant.unwrap_or_default(), ty)
                            .map_err(|wrong| wrong.at(value.pos))?;
                    }
                    self.set(&inner.node, named(&member.ty), depth + 1)?;
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |c| c.node.on.node.as_str());
                    self.set(&fragment.node.selection_set.node, on, depth + 1)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.seen.insert(name)
                    {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.set(&fragment.node.selection_set.node, on, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Checks constants against their types; what is of another kind altogether is left to the library.
struct Constants<'t> {
    types: &'t Types,
    /// They stand in the document, where an enum's value is no string, as it is in JSON.
    in_document: bool,
}

impl Constants<'_> {
    fn check(&self, path: &str, value: &Value, ty: &Type) -> Result<(), Wrong> {
        match (&ty.base, value) {
            (_, Value::Null) => Ok(()),
            (BaseType::List(inner), Value::List(items)) => items
                .iter()
                .try_for_each(|item| self.check(path, item, inner)),
            // A single value stands for a list of one.
            (BaseType::List(inner), single) => self.check(path, single, inner),
            (BaseType::Named(name), Value::Object(fields)) => {
                fields.iter().try_for_each(|(field, value)| {
                    let Some(member) = self.types.member(name, field) else {
                        return Ok(());
                    };
                    self.check(&format!("{path}.{field}"), value, &member.ty)
                })
            }
            (BaseType::Named(name), scalar) => self
                .check_scalar(name, scalar)
                .map_err(|rule| Wrong::new(path, rule)),
        }
    }

    fn check_scalar(&self, name: &str, value: &Value) -> Result<(), String> {
        match (name, value) {
            ("Int", Value::Number(number)) => match number.as_i64() {
                Some(n) if i32::try_from(n).is_err() => {
                    Err(format!("an Int from {} to {}, got {n}", i32::MIN, i32::MAX))
                }
                _ => Ok(()),
            },
            ("DateTime", value) => DateTime::read(value).map(|_| ()),
            ("NameOrNumber", value) => NameOrNumber::read(value).map(|_| ()),
            (name, Value::String(text)) if self.in_document && self.types.is_enum(name) => {
                Err(format!("a value of {name} without quotes, got {text:?}"))
            }
            _ => Ok(()),
        }
    }
}
