//! Measures a parsed document, in one walk that visits each fragment once: fragments that double at
//! each level must not keep anybody busy, neither the validation nor the opening of fragments.

use std::collections::HashMap;

use apollo_compiler::{
    Name, Node,
    ast::{Definition, Directive, Document, Field, Selection},
};
use async_graphql::{Pos, ServerError};

use crate::{
    config::limit::LimitConfig,
    graphql::{
        execute::errors,
        prepare::{
            fragments::{Fragments, fragments_of},
            limit_count::LimitCount,
            positions::Positions,
        },
    },
};

/// What a client can do about most limits.
const ADVICE: &str = "ask for less at once";

/// Fails if a document exceeds a limit, or a fragment contains itself.
pub(crate) fn check_document_limits(
    document: &Document,
    positions: &Positions,
    limits: &LimitConfig,
) -> Result<(), ServerError> {
    let mut walk = LimitWalk::new(document, positions, limits);
    for definition in &document.definitions {
        match definition {
            Definition::OperationDefinition(operation) => {
                walk.add_directives(&operation.directives);
                for variable in &operation.variables {
                    walk.add_directives(&variable.directives);
                }
                walk.visit_set(&operation.selection_set, false)?;
            }
            // Also unused ones: the validation visits them before it refuses them.
            Definition::FragmentDefinition(fragment) => {
                let at = positions.start(fragment.location());
                walk.visit_fragment(&fragment.name, false, at)?;
            }
            _ => {}
        }
    }
    [walk.directives, walk.fields, walk.depth]
        .iter()
        .try_for_each(LimitCount::check)
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

struct LimitWalk<'d> {
    definitions: Fragments<'d>,
    positions: &'d Positions,
    max_nesting: u64,
    /// The fragments that were visited; none while a visit lasts.
    fragments: HashMap<&'d Name, Option<SelectionSize>>,
    /// How many sets are open, which is how deep this walk recurses.
    open_sets: u64,
    directives: LimitCount,
    fields: LimitCount,
    depth: LimitCount,
}

impl<'d> LimitWalk<'d> {
    fn new(document: &'d Document, positions: &'d Positions, limits: &LimitConfig) -> Self {
        let count = |limit, max, what| LimitCount::new(limit, max, what, ADVICE);
        Self {
            definitions: fragments_of(document),
            positions,
            max_nesting: limits.max_nesting,
            fragments: HashMap::new(),
            open_sets: 0,
            directives: count("max-directives", limits.max_directives, "directives"),
            fields: count(
                "max-fields",
                limits.max_fields,
                "fields and fragments, those in fragments counted wherever they are spread",
            ),
            depth: LimitCount::new(
                "max-depth",
                limits.max_depth,
                "fields in one another",
                "ask for what lies deeper by its id",
            ),
        }
    }

    /// `is_introspected`: whether the set belongs to a field of introspection.
    fn visit_set(
        &mut self,
        set: &'d [Selection],
        is_introspected: bool,
    ) -> Result<SelectionSize, ServerError> {
        let mut size = SelectionSize::default();
        if set.is_empty() {
            return Ok(size);
        }
        self.open_sets += 1;
        for item in set {
            let (name, at) = self.label(item);
            let inner = match item {
                Selection::Field(field) => self.visit_field(field, is_introspected, at)?,
                Selection::InlineFragment(fragment) => {
                    self.add_directives(&fragment.directives);
                    self.check_nesting(self.open_sets, &name, at)?;
                    self.visit_set(&fragment.selection_set, is_introspected)?
                }
                Selection::FragmentSpread(spread) => {
                    self.add_directives(&spread.directives);
                    self.visit_fragment(&spread.fragment_name, is_introspected, at)?
                }
            };
            size.items = size.items.saturating_add(inner.items).saturating_add(1);
            size.depth = size.depth.max(inner.depth);
            size.nesting = size.nesting.max(inner.nesting + 1);
            self.fields.observe(size.items, &name, at);
            self.depth.observe(size.depth, &name, at);
            self.check_nesting(self.open_sets - 1 + size.nesting, &name, at)?;
        }
        self.open_sets -= 1;
        Ok(size)
    }

    fn visit_field(
        &mut self,
        field: &'d Field,
        is_introspected: bool,
        at: Pos,
    ) -> Result<SelectionSize, ServerError> {
        self.add_directives(&field.directives);
        self.check_nesting(self.open_sets, &field.name, at)?;
        let inner = is_introspected || field.name.starts_with("__");
        let mut size = self.visit_set(&field.selection_set, inner)?;
        size.depth += u64::from(!is_introspected);
        Ok(size)
    }

    /// Visits a fragment once.
    fn visit_fragment(
        &mut self,
        name: &'d Name,
        is_introspected: bool,
        at: Pos,
    ) -> Result<SelectionSize, ServerError> {
        match self.fragments.get(name) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => {
                let message = format!("Cannot spread fragment \"{name}\": it contains itself");
                return Err(errors::invalid_document(&message, at));
            }
            None => {}
        }
        // The validation refuses a spread of an unknown fragment.
        let Some(fragment) = self.definitions.get(name).copied() else {
            return Ok(SelectionSize::default());
        };
        self.fragments.insert(name, None);
        self.add_directives(&fragment.directives);
        self.check_nesting(self.open_sets, name, at)?;
        let is_introspected = is_introspected || fragment.type_condition.starts_with("__");
        let size = self.visit_set(&fragment.selection_set, is_introspected)?;
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    /// Fails if sets nest too deep, in the document or in this walk.
    fn check_nesting(&self, nesting: u64, name: &str, at: Pos) -> Result<(), ServerError> {
        let (limit, max) = ("max-nesting", self.max_nesting);
        if nesting <= max {
            return Ok(());
        }
        let what = format!("sets of fields in one another at {name}");
        Err(errors::limit(limit, max, nesting, &what, ADVICE, &[at]))
    }

    fn add_directives(&mut self, directives: &[Node<Directive>]) {
        for directive in directives {
            let at = self.positions.start(directive.location());
            self.directives.add(&directive.name, at);
        }
    }

    /// How a message names a selection, and where it stands.
    fn label(&self, item: &Selection) -> (String, Pos) {
        let (name, location) = match item {
            Selection::Field(field) => (field.name.to_string(), field.location()),
            Selection::InlineFragment(it) => ("an inline fragment".to_owned(), it.location()),
            Selection::FragmentSpread(it) => (format!("...{}", it.fragment_name), it.location()),
        };
        (name, self.positions.start(location))
    }
}
