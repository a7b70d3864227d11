//! Checks what `apollo-compiler` does not know of, and what it says without naming the argument:
//! every value in a document, every variable where it stands, and names with a suggestion.

use std::collections::HashSet;

use apollo_compiler::{
    Name, Node,
    ast::{
        Argument, Definition, Directive, Document, Field, InputValueDefinition,
        OperationDefinition, OperationType, Selection, Value as Literal, VariableDefinition,
    },
    schema::ExtendedType,
};
use async_graphql::{ServerError, Value};

use crate::graphql::{
    execute::errors,
    prepare::{
        coercion::{Coercion, InputPosition, Path},
        deferral::{Labels, check_root, check_stream},
        fragments::{Fragments, fragments_of},
        positions::Positions,
        suggestion::did_you_mean,
        type_system::TypeSystem,
    },
};

/// The most errors of one document that are reported; the walk ends there.
pub(crate) const MAX_ERRORS: usize = 20;

/// The errors that this walk finds in a document. Expects one whose fragments contain no cycle.
pub(crate) fn check_rules(
    document: &Document,
    types: &TypeSystem,
    hides_schema: bool,
    positions: &Positions,
) -> Vec<ServerError> {
    let mut walk = RuleWalk {
        types,
        hides_schema,
        positions,
        fragments: fragments_of(document),
        visited: HashSet::new(),
        variables: &[],
        labels: Labels::default(),
        errors: Vec::new(),
    };
    for definition in &document.definitions {
        if let Definition::OperationDefinition(operation) = definition {
            walk.visit_operation(operation);
        }
    }
    walk.errors
}

struct RuleWalk<'d> {
    types: &'d TypeSystem,
    hides_schema: bool,
    positions: &'d Positions,
    fragments: Fragments<'d>,
    /// The fragments that the operation has spread so far.
    visited: HashSet<&'d Name>,
    /// Those of the operation.
    variables: &'d [Node<VariableDefinition>],
    labels: Labels<'d>,
    errors: Vec<ServerError>,
}

impl<'d> RuleWalk<'d> {
    fn visit_operation(&mut self, operation: &'d OperationDefinition) {
        self.visited.clear();
        self.variables = &operation.variables;
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                let position = InputPosition::without_default(&variable.ty);
                self.check_value(Path::Variable(&variable.name), default, position);
            }
        }
        self.check_directives(&operation.directives);
        if let Some(root) = self.types.root_operation(operation.operation_type) {
            self.visit_set(root, &operation.selection_set);
        }
    }

    fn visit_set(&mut self, on: &str, set: &'d [Selection]) {
        for item in set {
            if self.errors.len() >= MAX_ERRORS {
                return;
            }
            self.check_deferral(on, item);
            match item {
                Selection::Field(field) => self.visit_field(on, field),
                Selection::InlineFragment(fragment) => {
                    self.check_directives(&fragment.directives);
                    let on = fragment.type_condition.as_deref().unwrap_or(on);
                    self.visit_fragment(on, &fragment.selection_set, fragment);
                }
                Selection::FragmentSpread(spread) => {
                    self.check_directives(&spread.directives);
                    let name = &spread.fragment_name;
                    if let Some(fragment) = self.fragments.get(name).copied()
                        && self.visited.insert(name)
                    {
                        let on = &fragment.type_condition;
                        self.visit_fragment(on, &fragment.selection_set, fragment);
                    }
                }
            }
        }
    }

    fn visit_fragment<T>(&mut self, on: &str, set: &'d [Selection], fragment: &Node<T>) {
        if self.types.types.contains_key(on) {
            self.visit_set(on, set);
        } else {
            self.refuse(&format!("Unknown type \"{on}\"."), fragment);
        }
    }

    fn visit_field(&mut self, on: &str, field: &'d Node<Field>) {
        self.check_directives(&field.directives);
        let name = &field.name;
        if self.hides_schema && matches!(name.as_str(), "__schema" | "__type" | "_service") {
            let message = "this server does not show its schema: introspection is off";
            self.refuse(message, field);
            return;
        }
        let types = self.types;
        let Some(known) = types.field(on, name) else {
            let names: Vec<&Name> = match types.types.get(on) {
                Some(ExtendedType::Object(object)) => object.fields.keys().collect(),
                Some(ExtendedType::Interface(interface)) => interface.fields.keys().collect(),
                Some(ExtendedType::Union(_)) => Vec::new(),
                // The validation refuses the type.
                _ => return,
            };
            let meant = self.suggest(name, &names);
            let message = format!("Cannot query field \"{name}\" on type \"{on}\".{meant}");
            self.refuse(&message, field);
            return;
        };
        let of = format!("field \"{on}.{name}\"");
        self.check_arguments(&of, &known.arguments, &field.arguments);
        let ty = known.ty.inner_named_type();
        let is_leaf = types.types.get(ty).is_some_and(ExtendedType::is_leaf);
        match (is_leaf, field.selection_set.is_empty()) {
            (true, false) => {
                let message = format!("Field \"{name}\" of type \"{ty}\" has no fields to select.");
                self.refuse(&message, field);
            }
            (false, true) => {
                let message = format!(
                    "Field \"{name}\" of type \"{ty}\" needs a selection of fields: {name} {{ ... }}."
                );
                self.refuse(&message, field);
            }
            _ => self.visit_set(ty, &field.selection_set),
        }
    }

    /// Checks what a selection says of its delivery.
    fn check_deferral(&mut self, on: &str, item: &'d Selection) {
        let directives = match item {
            Selection::Field(field) => &field.directives,
            Selection::InlineFragment(fragment) => &fragment.directives,
            Selection::FragmentSpread(spread) => &spread.directives,
        };
        if directives.is_empty() {
            return;
        }
        let roots = [OperationType::Mutation, OperationType::Subscription];
        let mut roots = roots
            .iter()
            .filter_map(|root| self.types.root_operation(*root));
        let is_single_root = roots.any(|root| root == on);
        let mut broken = vec![check_root(is_single_root, directives)];
        if let Selection::Field(field) = item
            && let Some(known) = self.types.field(on, &field.name)
        {
            broken.push(check_stream(&field.name, &known.ty, directives));
        }
        broken.extend(
            directives
                .iter()
                .map(|directive| self.labels.add(directive)),
        );
        for rule in broken.into_iter().filter_map(Result::err) {
            self.refuse(&rule, &directives[0]);
        }
    }

    fn check_directives(&mut self, directives: &[Node<Directive>]) {
        let types = self.types;
        for directive in directives {
            if let Some(known) = types.directive_definitions.get(&directive.name) {
                let of = format!("directive \"@{}\"", directive.name);
                self.check_arguments(&of, &known.arguments, &directive.arguments);
            }
        }
    }

    fn check_arguments(
        &mut self,
        of: &str,
        known: &[Node<InputValueDefinition>],
        given: &[Node<Argument>],
    ) {
        for argument in given {
            let name = &argument.name;
            if let Some(definition) = known.iter().find(|known| known.name == *name) {
                let position = InputPosition::of(definition);
                self.check_value(Path::Argument(name), &argument.value, position);
            } else {
                let names: Vec<&Name> = known.iter().map(|known| &known.name).collect();
                let meant = self.suggest(name, &names);
                let message = format!("Unknown argument \"{name}\" on {of}.{meant}");
                self.refuse(&message, argument);
            }
        }
    }

    fn check_value(&mut self, path: Path<'_>, value: &Node<Literal>, position: InputPosition<'_>) {
        let coercion = Coercion {
            types: self.types,
            suggests: !self.hides_schema,
            variable: |name: &Name, position: InputPosition<'_>| self.check_usage(name, position),
        };
        if let Err(invalid) = coercion.coerce(path, value, position) {
            let at = self.positions.start(invalid.location);
            self.errors.push(invalid.at(at));
        }
    }

    /// Fails with the broken rule where a variable may not stand.
    fn check_usage(&self, name: &Name, at: InputPosition<'_>) -> Result<Option<Value>, String> {
        if at.takes_any {
            return Ok(None);
        }
        let mut definitions = self.variables.iter();
        // The validation refuses a variable that is not defined.
        let Some(definition) = definitions.find(|definition| definition.name == *name) else {
            return Ok(None);
        };
        let (ty, default) = (&*definition.ty, definition.default_value.as_ref());
        // So it does an unknown type.
        if !self.types.types.contains_key(ty.inner_named_type()) {
            return Ok(None);
        }
        let is_allowed = if at.ty.is_non_null() && !ty.is_non_null() {
            let has_value = default.is_some_and(|default| !default.is_null());
            (has_value || at.has_default) && ty.is_assignable_to(&at.ty.clone().nullable())
        } else {
            ty.is_assignable_to(at.ty)
        };
        if is_allowed {
            return Ok(None);
        }
        Err(format!(
            "Variable \"${name}\" of type \"{ty}\" used in position expecting type \"{}\".",
            at.ty
        ))
    }

    fn suggest(&self, name: &str, known: &[&Name]) -> String {
        let known = known.iter().map(|known| known.as_str());
        did_you_mean(name, known.filter(|_| !self.hides_schema))
    }

    fn refuse<T>(&mut self, message: &str, node: &Node<T>) {
        let at = self.positions.start(node.location());
        self.errors.push(errors::invalid_document(message, at));
    }
}
