//! Validates a document before the library sees it, in one walk that measures it too and visits
//! each fragment once: the library expands fragments wherever they are spread, so a few hundred
//! bytes could keep it busy for ever.
//!
//! The library finds everything else that can be wrong with a document, before it executes.

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned, ServerError, Value,
    parser::types::{
        Directive, ExecutableDocument, Field, FragmentSpread, OperationType, Selection,
        SelectionSet,
    },
};

use crate::{
    config::limit::LimitConfig,
    graphql::{
        execute::errors,
        prepare::{
            limit_count::LimitCount,
            schema_types::{FieldType, SchemaTypes, base_type_name, root_type_name},
            value_check::ValueCheck,
        },
    },
};

/// What a client can do about most limits.
const ADVICE: &str = "ask for less at once";

/// Fails if a document exceeds a limit, or is invalid in a way that the library would find too
/// late. Its variables are checked separately.
pub(crate) fn validate_document(
    document: &ExecutableDocument,
    types: &SchemaTypes,
    limits: &LimitConfig,
) -> Result<(), ServerError> {
    let mut walk = ValidationWalk::new(document, types, limits);
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        if operation.ty == OperationType::Subscription {
            check_subscription_root(&operation.selection_set)?;
        }
        walk.add_directives(&operation.directives);
        for variable in &operation.variable_definitions {
            walk.add_directives(&variable.node.directives);
        }
        walk.visit_set(&operation.selection_set.node, root_type_name(operation.ty))?;
    }
    // Also unused ones: the library visits them before it refuses them.
    for (name, fragment) in &document.fragments {
        walk.visit_fragment(name, fragment.pos)?;
    }
    [walk.aliases, walk.directives, walk.fields, walk.depth]
        .iter()
        .try_for_each(LimitCount::check)
}

/// Fails if the root of a subscription is not one plain field: the library runs several fields as
/// several streams, and ignores a fragment.
fn check_subscription_root(set: &Positioned<SelectionSet>) -> Result<(), ServerError> {
    let refuse = |rule, pos| Err(errors::invalid_document(rule, pos));
    let mut items = set.node.items.iter();
    let (Some(root), rest) = (items.next(), items.next()) else {
        return Ok(());
    };
    if let Some(second) = rest {
        let rule = "a subscription has one root field only: send a subscription for each";
        return refuse(rule, second.pos);
    }
    let Selection::Field(field) = &root.node else {
        let rule = "the root field of a subscription is written out, not in a fragment";
        return refuse(rule, root.pos);
    };
    if field.node.name.node.starts_with("__") {
        let rule = "the root field of a subscription is not one of introspection";
        return refuse(rule, root.pos);
    }
    if let Some(directive) = field.node.directives.first() {
        let rule = "the root field of a subscription has no directives";
        return refuse(rule, directive.pos);
    }
    Ok(())
}

/// The size of a selection set, including the content of its fragments.
#[derive(Clone, Copy, Default)]
struct SelectionSize {
    /// Fields and fragments.
    items: u64,
    /// How deep fields nest, except those of introspection.
    depth: u64,
    /// How deep sets nest.
    nesting: u64,
}

struct ValidationWalk<'d> {
    document: &'d ExecutableDocument,
    types: &'d SchemaTypes,
    max_nesting: u64,
    hides_schema: bool,
    /// The fragments that were visited; none while a visit lasts.
    fragments: HashMap<&'d Name, Option<SelectionSize>>,
    /// How many sets are open, which is how deep this walk recurses.
    open_sets: u64,
    aliases: LimitCount,
    directives: LimitCount,
    fields: LimitCount,
    depth: LimitCount,
}

impl<'d> ValidationWalk<'d> {
    fn new(document: &'d ExecutableDocument, types: &'d SchemaTypes, limits: &LimitConfig) -> Self {
        Self {
            document,
            types,
            max_nesting: limits.max_nesting,
            hides_schema: limits.no_introspection,
            fragments: HashMap::new(),
            open_sets: 0,
            aliases: LimitCount::new("max-aliases", limits.max_aliases, "aliases", ADVICE),
            directives: LimitCount::new(
                "max-directives",
                limits.max_directives,
                "directives",
                ADVICE,
            ),
            fields: LimitCount::new(
                "max-fields",
                limits.max_fields,
                "fields and fragments, those in fragments counted wherever they are spread",
                ADVICE,
            ),
            depth: LimitCount::new(
                "max-depth",
                limits.max_depth,
                "fields in one another",
                "ask for what lies deeper by its id",
            ),
        }
    }

    fn visit_set(
        &mut self,
        set: &'d SelectionSet,
        on: &'d str,
    ) -> Result<SelectionSize, ServerError> {
        let mut size = SelectionSize::default();
        if set.items.is_empty() {
            return Ok(size);
        }
        self.open_sets += 1;
        for item in &set.items {
            let inner = match &item.node {
                Selection::Field(field) => self.visit_field(field, on)?,
                Selection::InlineFragment(fragment) => {
                    self.add_directives(&fragment.node.directives);
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |c| c.node.on.node.as_str());
                    self.check_open_sets("an inline fragment", item.pos)?;
                    self.visit_set(&fragment.node.selection_set.node, on)?
                }
                Selection::FragmentSpread(spread) => self.visit_spread(spread)?,
            };
            size.items = size.items.saturating_add(inner.items).saturating_add(1);
            size.depth = size.depth.max(inner.depth);
            size.nesting = size.nesting.max(inner.nesting + 1);
            let (name, pos) = (|| label(&item.node), item.pos);
            self.fields.observe(size.items, name, pos);
            self.depth.observe(size.depth, name, pos);
            self.check_nesting(self.open_sets - 1 + size.nesting, &name(), pos)?;
        }
        self.open_sets -= 1;
        Ok(size)
    }

    fn visit_field(
        &mut self,
        field: &'d Positioned<Field>,
        on: &'d str,
    ) -> Result<SelectionSize, ServerError> {
        let (name, inner) = (&field.node.name, &field.node.selection_set);
        if let Some(alias) = &field.node.alias {
            self.aliases.add(&alias.node, alias.pos);
        }
        self.add_directives(&field.node.directives);
        if name.node == "__typename" && !inner.node.items.is_empty() {
            let message = "Field \"__typename\" must not have a selection since type \"String!\" has no subfields";
            return Err(errors::invalid_document(message, name.pos));
        }
        if self.hides_schema && matches!(name.node.as_str(), "__schema" | "__type") {
            let message = "this server does not show its schema: introspection is off";
            return Err(errors::invalid_document(message, name.pos));
        }
        // The library refuses what the schema does not have.
        let known = self.types.field(on, &name.node);
        if let Some(known) = known {
            self.check_arguments(&field.node, known)?;
        }
        self.check_open_sets(&name.node, name.pos)?;
        let mut size = self.visit_set(&inner.node, known.map_or("", |k| base_type_name(&k.ty)))?;
        size.depth += u64::from(!on.starts_with("__"));
        Ok(size)
    }

    fn check_arguments(&self, field: &Field, known: &FieldType) -> Result<(), ServerError> {
        let check = ValueCheck {
            types: self.types,
            in_document: true,
        };
        for (argument, value) in &field.arguments {
            let Some(ty) = known.arguments.get(argument.node.as_str()) else {
                continue;
            };
            // Variables are checked separately, so null stands for them here.
            let constant = value
                .node
                .clone()
                .into_const_with(|_| Ok::<_, ()>(Value::Null));
            check
                .check_value(&argument.node, &constant.unwrap_or_default(), ty)
                .map_err(|wrong| wrong.at(value.pos))?;
        }
        Ok(())
    }

    fn visit_spread(
        &mut self,
        spread: &'d Positioned<FragmentSpread>,
    ) -> Result<SelectionSize, ServerError> {
        self.add_directives(&spread.node.directives);
        let name = &spread.node.fragment_name;
        self.visit_fragment(&name.node, name.pos)
    }

    /// Visits a fragment once.
    fn visit_fragment(&mut self, name: &'d Name, pos: Pos) -> Result<SelectionSize, ServerError> {
        match self.fragments.get(name) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => {
                let message = format!("Cannot spread fragment \"{name}\": it contains itself");
                return Err(errors::invalid_document(&message, pos));
            }
            None => {}
        }
        // The library refuses a spread of an unknown fragment.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(SelectionSize::default());
        };
        self.fragments.insert(name, None);
        self.add_directives(&fragment.node.directives);
        let on = fragment.node.type_condition.node.on.node.as_str();
        self.check_open_sets(name, pos)?;
        let size = self.visit_set(&fragment.node.selection_set.node, on)?;
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    /// Fails if the walk is too deep to continue.
    fn check_open_sets(&self, name: &str, pos: Pos) -> Result<(), ServerError> {
        self.check_nesting(self.open_sets, name, pos)
    }

    fn check_nesting(&self, nesting: u64, name: &str, pos: Pos) -> Result<(), ServerError> {
        let (limit, max) = ("max-nesting", self.max_nesting);
        if nesting <= max {
            return Ok(());
        }
        let what = format!("sets of fields in one another at {name}");
        Err(errors::limit(limit, max, nesting, &what, ADVICE, &[pos]))
    }

    fn add_directives(&mut self, directives: &[Positioned<Directive>]) {
        for directive in directives {
            self.directives
                .add(&directive.node.name.node, directive.pos);
        }
    }
}

/// How a message names a selection.
fn label(item: &Selection) -> String {
    match item {
        Selection::Field(field) => field.node.name.node.to_string(),
        Selection::InlineFragment(_) => "an inline fragment".to_owned(),
        Selection::FragmentSpread(spread) => format!("...{}", spread.node.fragment_name.node),
    }
}
