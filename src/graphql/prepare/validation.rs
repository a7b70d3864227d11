//! Refuses, before anything runs, what async-graphql 7.2 would find only while it executes, with earlier mutations already
//! committed: a variable that is missing, and a value that its scalar does not take, such as an Int beyond 32 bits.
//! And measures the document in the same walk, which looks into each fragment once: the library expands fragments
//! wherever they are spread, so a few hundred bytes could keep it busy for ever.
//! All else that can be wrong with a document is the library's to find, which it does before it executes.

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned, ServerError, Value, Variables,
    parser::types::{
        BaseType, Directive, ExecutableDocument, Field, FragmentSpread, OperationDefinition,
        OperationType, Selection, SelectionSet, Type,
    },
};

use crate::{
    config::limit::LimitConfig,
    graphql::{
        execute::errors,
        prepare::schema_types::{SchemaTypes, base_type_name, root_type_name},
        schema::scalar::{DateTime, NameOrNumber},
    },
};

/// What may be done about most limits.
const SPLIT: &str = "ask for less at once";

/// Checks a document, whatever its variables are.
pub(crate) fn document(
    document: &ExecutableDocument,
    types: &SchemaTypes,
    limits: &LimitConfig,
) -> Result<(), ServerError> {
    let mut walk = ValidationWalk {
        document,
        types,
        max_nesting: limits.max_nesting,
        hides_schema: limits.no_introspection,
        fragments: HashMap::new(),
        open: 0,
        aliases: LimitCount::new("max-aliases", limits.max_aliases, "aliases", SPLIT),
        directives: LimitCount::new("max-directives", limits.max_directives, "directives", SPLIT),
        fields: LimitCount::new(
            "max-fields",
            limits.max_fields,
            "fields and fragments, those in fragments counted wherever they are spread",
            SPLIT,
        ),
        depth: LimitCount::new(
            "max-depth",
            limits.max_depth,
            "fields in one another",
            "ask for what lies deeper by its id",
        ),
    };
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        if operation.ty == OperationType::Subscription {
            check_root(&operation.selection_set)?;
        }
        walk.directives(&operation.directives);
        for variable in &operation.variable_definitions {
            walk.directives(&variable.node.directives);
        }
        walk.set(&operation.selection_set.node, root_type_name(operation.ty))?;
    }
    // Also those that nothing spreads: the library looks into them before it refuses them.
    for (name, fragment) in &document.fragments {
        walk.fragment(name, fragment.pos)?;
    }
    [walk.aliases, walk.directives, walk.fields, walk.depth]
        .iter()
        .try_for_each(LimitCount::finish)
}

/// Checks the values of an operation's variables.
pub(crate) fn variables(
    operation: &OperationDefinition,
    variables: &Variables,
    types: &SchemaTypes,
) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let (name, ty) = (&definition.name.node, &definition.var_type.node);
        let default = definition.default_value.as_ref().map(|v| &v.node);
        match variables.get(name).or(default) {
            None | Some(Value::Null) if ty.nullable => {}
            None | Some(Value::Null) => {
                let message = format!("${name}: a value of the type {ty} is needed, got none");
                return Err(errors::invalid_document(&message, definition.name.pos));
            }
            Some(value) => {
                let constants = ConstantCheck {
                    types,
                    in_document: false,
                };
                constants
                    .check(&format!("${name}"), value, ty)
                    .map_err(|wrong| wrong.at(definition.name.pos))?;
            }
        }
    }
    Ok(())
}

/// Of a subscription's root the library takes several fields as several streams, and leaves a fragment out.
fn check_root(set: &Positioned<SelectionSet>) -> Result<(), ServerError> {
    let refused = |rule, pos| Err(errors::invalid_document(rule, pos));
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
struct InvalidValue {
    path: String,
    rule: String,
}

impl InvalidValue {
    fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rule: rule.into(),
        }
    }

    fn at(self, pos: Pos) -> ServerError {
        errors::bad_value(&self.path, &self.rule, pos)
    }
}

/// How much there is in a selection set, with what its fragments stand for.
#[derive(Clone, Copy, Default)]
struct SelectionSize {
    /// Fields and fragments.
    items: u64,
    /// How deep fields nest, but for those of introspection.
    depth: u64,
    /// How deep sets nest.
    nesting: u64,
}

/// A limit, how much of it is used, and where it was passed first.
struct LimitCount {
    limit: &'static str,
    max: u64,
    what: &'static str,
    advice: &'static str,
    most: u64,
    over: Option<(String, Pos)>,
}

impl LimitCount {
    fn new(limit: &'static str, max: u64, what: &'static str, advice: &'static str) -> Self {
        Self {
            limit,
            max,
            what,
            advice,
            most: 0,
            over: None,
        }
    }

    /// There are so many here.
    fn see(&mut self, number: u64, name: impl FnOnce() -> String, pos: Pos) {
        self.most = self.most.max(number);
        if number > self.max {
            self.over.get_or_insert_with(|| (name(), pos));
        }
    }

    /// There is one more here.
    fn add(&mut self, name: &str, pos: Pos) {
        self.see(self.most + 1, || name.to_owned(), pos);
    }

    fn finish(&self) -> Result<(), ServerError> {
        let Some((name, pos)) = &self.over else {
            return Ok(());
        };
        let what = format!("{}, too many from {name} on", self.what);
        let (limit, max, most, advice) = (self.limit, self.max, self.most, self.advice);
        Err(errors::limit(limit, max, most, &what, advice, &[*pos]))
    }
}

struct ValidationWalk<'d> {
    document: &'d ExecutableDocument,
    types: &'d SchemaTypes,
    max_nesting: u64,
    hides_schema: bool,
    /// Those that were looked into; none while that is being done.
    fragments: HashMap<&'d Name, Option<SelectionSize>>,
    /// How many sets are open: as deep as this walk recurses.
    open: u64,
    aliases: LimitCount,
    directives: LimitCount,
    fields: LimitCount,
    depth: LimitCount,
}

impl<'d> ValidationWalk<'d> {
    fn set(&mut self, set: &'d SelectionSet, on: &'d str) -> Result<SelectionSize, ServerError> {
        let mut size = SelectionSize::default();
        if set.items.is_empty() {
            return Ok(size);
        }
        self.open += 1;
        for item in &set.items {
            let inner = match &item.node {
                Selection::Field(field) => self.field(field, on)?,
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.node.directives);
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |c| c.node.on.node.as_str());
                    self.nested("an inline fragment", item.pos)?;
                    self.set(&fragment.node.selection_set.node, on)?
                }
                Selection::FragmentSpread(spread) => self.spread(spread)?,
            };
            size.items = size.items.saturating_add(inner.items).saturating_add(1);
            size.depth = size.depth.max(inner.depth);
            size.nesting = size.nesting.max(inner.nesting + 1);
            let (name, pos) = (|| name(&item.node), item.pos);
            self.fields.see(size.items, name, pos);
            self.depth.see(size.depth, name, pos);
            self.check_nesting(self.open - 1 + size.nesting, &name(), pos)?;
        }
        self.open -= 1;
        Ok(size)
    }

    fn field(
        &mut self,
        field: &'d Positioned<Field>,
        on: &'d str,
    ) -> Result<SelectionSize, ServerError> {
        let (name, inner) = (&field.node.name, &field.node.selection_set);
        if let Some(alias) = &field.node.alias {
            self.aliases.add(&alias.node, alias.pos);
        }
        self.directives(&field.node.directives);
        if name.node == "__typename" && !inner.node.items.is_empty() {
            let message = "Field \"__typename\" must not have a selection since type \"String!\" has no subfields";
            return Err(errors::invalid_document(message, name.pos));
        }
        if self.hides_schema && matches!(name.node.as_str(), "__schema" | "__type") {
            let message = "this server does not show its schema: introspection is off";
            return Err(errors::invalid_document(message, name.pos));
        }
        // What the schema does not know, the library refuses.
        let member = self.types.field(on, &name.node);
        for (argument, value) in &field.node.arguments {
            let ty = member.and_then(|m| m.arguments.get(argument.node.as_str()));
            let Some(ty) = ty else {
                continue;
            };
            // Variables are checked on their own; here they stand for nothing.
            let constant = value
                .node
                .clone()
                .into_const_with(|_| Ok::<_, ()>(Value::Null));
            let constants = ConstantCheck {
                types: self.types,
                in_document: true,
            };
            constants
                .check(&argument.node, &constant.unwrap_or_default(), ty)
                .map_err(|wrong| wrong.at(value.pos))?;
        }
        self.nested(&name.node, name.pos)?;
        let mut size = self.set(&inner.node, member.map_or("", |m| base_type_name(&m.ty)))?;
        size.depth += u64::from(!on.starts_with("__"));
        Ok(size)
    }

    fn spread(
        &mut self,
        spread: &'d Positioned<FragmentSpread>,
    ) -> Result<SelectionSize, ServerError> {
        self.directives(&spread.node.directives);
        let name = &spread.node.fragment_name;
        self.fragment(&name.node, name.pos)
    }

    /// Looks into a fragment, the first time.
    fn fragment(&mut self, name: &'d Name, pos: Pos) -> Result<SelectionSize, ServerError> {
        match self.fragments.get(name) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => {
                let message = format!("Cannot spread fragment \"{name}\": it contains itself");
                return Err(errors::invalid_document(&message, pos));
            }
            None => {}
        }
        // One that is not there is the library's to refuse.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(SelectionSize::default());
        };
        self.fragments.insert(name, None);
        self.directives(&fragment.node.directives);
        let on = fragment.node.type_condition.node.on.node.as_str();
        self.nested(name, pos)?;
        let size = self.set(&fragment.node.selection_set.node, on)?;
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    /// Goes no deeper than is allowed.
    fn nested(&self, name: &str, pos: Pos) -> Result<(), ServerError> {
        self.check_nesting(self.open, name, pos)
    }

    fn check_nesting(&self, nesting: u64, name: &str, pos: Pos) -> Result<(), ServerError> {
        let (limit, max) = ("max-nesting", self.max_nesting);
        if nesting <= max {
            return Ok(());
        }
        let what = format!("sets of fields in one another at {name}");
        let advice = "ask for less at once";
        Err(errors::limit(limit, max, nesting, &what, advice, &[pos]))
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) {
        for directive in directives {
            self.directives
                .add(&directive.node.name.node, directive.pos);
        }
    }
}

/// What an item is called in a message.
fn name(item: &Selection) -> String {
    match item {
        Selection::Field(field) => field.node.name.node.to_string(),
        Selection::InlineFragment(_) => "an inline fragment".to_owned(),
        Selection::FragmentSpread(spread) => format!("...{}", spread.node.fragment_name.node),
    }
}

/// Checks constants against their types; what is of another kind altogether is left to the library.
struct ConstantCheck<'t> {
    types: &'t SchemaTypes,
    /// They stand in the document, where an enum's value is no string, as it is in JSON.
    in_document: bool,
}

impl ConstantCheck<'_> {
    fn check(&self, path: &str, value: &Value, ty: &Type) -> Result<(), InvalidValue> {
        match (&ty.base, value) {
            (_, Value::Null) => Ok(()),
            (BaseType::List(inner), Value::List(items)) => items
                .iter()
                .try_for_each(|item| self.check(path, item, inner)),
            // A single value stands for a list of one.
            (BaseType::List(inner), single) => self.check(path, single, inner),
            (BaseType::Named(name), Value::Object(fields)) => {
                fields.iter().try_for_each(|(field, value)| {
                    let Some(member) = self.types.field(name, field) else {
                        return Ok(());
                    };
                    self.check(&format!("{path}.{field}"), value, &member.ty)
                })
            }
            (BaseType::Named(name), scalar) => self
                .check_scalar(name, scalar)
                .map_err(|rule| InvalidValue::new(path, rule)),
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
