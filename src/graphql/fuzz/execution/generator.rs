//! Makes a valid document and its variables out of any bytes: each byte makes one choice, and
//! without bytes the simplest is made.
//!
//! async-graphql executes each of these documents as the specification says, but for failed fields:
//! - no two fields of an object have the same response key;
//! - of each object something is selected and not skipped;
//! - each variable has a value, and those of conditions are given.

use std::iter;

use apollo_compiler::{
    Name, Node,
    ast::{FieldDefinition, InputValueDefinition, Type},
    schema::ExtendedType,
};
use serde_json::{Map, Value as Json, json};

use crate::graphql::prepare::type_system::TypeSystem;

/// How many fields a document selects, each fragment counted where it is spread.
const FIELDS: usize = 20;
/// How deep fields and fragments nest.
const DEPTH: usize = 4;
/// How deep the values of arguments nest.
const VALUE_DEPTH: usize = 3;

/// Makes the text of a document with one operation, and values for its variables.
pub(super) fn generate(data: &[u8], types: &TypeSystem) -> (String, Map<String, Json>) {
    let mut generator = Generator {
        choices: data,
        types,
        fields: FIELDS,
        keys: 0,
        fragments: Vec::new(),
        variables: Vec::new(),
    };
    let text = generator.document();
    let variables = generator.variables.into_iter().enumerate();
    let given = variables.filter_map(|(n, it)| Some((format!("v{n}"), it.given?)));
    (text, given.collect())
}

struct Generator<'d> {
    choices: &'d [u8],
    types: &'d TypeSystem,
    /// How many fields may still be selected.
    fields: usize,
    keys: usize,
    fragments: Vec<Fragment>,
    variables: Vec<Variable>,
}

struct Fragment {
    condition: String,
    set: String,
    fields: usize,
    /// What it adds to a scope.
    scope: Scope,
}

struct Variable {
    ty: Type,
    default: Option<String>,
    given: Option<Json>,
}

/// The field names and the fragments that the sets of one object use, each at most once.
type Scope = Vec<String>;

/// Where a value is written.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Position {
    Constant,
    Argument,
    /// The library does not see the default of a condition's variable.
    Condition,
}

impl Generator<'_> {
    /// One of the numbers below a limit.
    fn choose(&mut self, limit: usize) -> usize {
        match self.choices.split_first() {
            Some((byte, rest)) => {
                self.choices = rest;
                usize::from(*byte) % limit
            }
            None => 0,
        }
    }

    /// True for one of so many bytes.
    fn happens(&mut self, one_in: usize) -> bool {
        self.choose(one_in) == 1
    }

    fn document(&mut self) -> String {
        let kind = self.choose(4);
        let root = if kind == 3 { "Mutation" } else { "Query" };
        let set = self.set(root, DEPTH, &mut Scope::new());
        let variables: Vec<String> = self.variables.iter().enumerate().map(declare).collect();
        let variables = match &*variables.join(", ") {
            "" => String::new(),
            variables => format!("({variables})"),
        };
        let head = match kind {
            3 => "mutation M",
            2 => "query Q",
            _ if kind == 0 && variables.is_empty() => "",
            _ => "query",
        };
        let operation = format!("{head}{variables} {set}").trim_start().to_owned();
        let fragments = self.fragments.iter().enumerate().map(|(n, fragment)| {
            let Fragment { condition, set, .. } = fragment;
            format!("fragment F{n} on {condition} {set}")
        });
        let definitions: Vec<String> = iter::once(operation).chain(fragments).collect();
        definitions.join("\n")
    }

    /// A selection set, of which a field is left.
    fn set(&mut self, on: &str, depth: usize, scope: &mut Scope) -> String {
        let mut items = vec![self.field(on, depth, scope, false)];
        for _ in 0..self.choose(5) {
            if self.fields > 0 {
                items.push(self.item(on, depth, scope));
            }
        }
        format!("{{ {} }}", items.join(" "))
    }

    fn item(&mut self, on: &str, depth: usize, scope: &mut Scope) -> String {
        match self.choose(6) {
            3 if depth > 0 => {
                let (condition, conditions) = (self.condition(on), self.directives(true));
                let set = self.set(&condition, depth - 1, scope);
                if condition == on && self.happens(2) {
                    return format!("...{conditions} {set}");
                }
                format!("... on {condition}{conditions} {set}")
            }
            4 if depth > 0 => {
                let name = self.define_fragment(on, depth - 1, scope);
                format!("...{name}{}", self.directives(true))
            }
            5 => match self.reuse_fragment(on, scope) {
                Some(name) => format!("...{name}{}", self.directives(true)),
                None => self.field(on, depth, scope, true),
            },
            _ => self.field(on, depth, scope, true),
        }
    }

    /// A type whose objects may be of the type `on`; most often itself.
    fn condition(&mut self, on: &str) -> String {
        let mut conditions = vec![on];
        for (interface, implementers) in self.types.implementers() {
            if interface == on {
                conditions.extend(implementers.objects.iter().map(Name::as_str));
            }
            if implementers.objects.contains(on) {
                conditions.push(interface);
            }
        }
        // The implementers are in no order.
        conditions[1..].sort_unstable();
        conditions[self.choose(conditions.len())].to_owned()
    }

    fn define_fragment(&mut self, on: &str, depth: usize, scope: &mut Scope) -> String {
        let (used, fields) = (scope.len(), self.fields);
        let condition = self.condition(on);
        let set = self.set(&condition, depth, scope);
        let name = format!("F{}", self.fragments.len());
        scope.push(name.clone());
        self.fragments.push(Fragment {
            condition,
            set,
            fields: fields - self.fields,
            scope: scope[used..].to_vec(),
        });
        name
    }

    fn reuse_fragment(&mut self, on: &str, scope: &mut Scope) -> Option<String> {
        let which = self.choose(self.fragments.len().max(1));
        let fragment = self.fragments.get(which)?;
        let condition = &*fragment.condition;
        let applies = condition == on
            || self.types.applies(condition, on)
            || self.types.applies(on, condition);
        let is_new = fragment.scope.iter().all(|used| !scope.contains(used));
        if !applies || !is_new || fragment.fields > self.fields {
            return None;
        }
        self.fields -= fragment.fields;
        scope.extend_from_slice(&fragment.scope);
        Some(format!("F{which}"))
    }

    fn field(&mut self, on: &str, depth: usize, scope: &mut Scope, may_skip: bool) -> String {
        self.fields = self.fields.saturating_sub(1);
        let types = self.types;
        let is_leaf = |field: &FieldDefinition| {
            let ty = types.types.get(field.ty.inner_named_type());
            ty.is_none_or(|ty| ty.is_scalar() || ty.is_enum())
        };
        let mut fields: Vec<&FieldDefinition> = match types.types.get(on) {
            Some(ExtendedType::Object(it)) => it.fields.values().map(|it| &***it).collect(),
            Some(ExtendedType::Interface(it)) => it.fields.values().map(|it| &***it).collect(),
            other => panic!("{on} has no fields: {other:?}"),
        };
        fields.extend(types.field(on, "__typename"));
        fields.retain(|field| (depth > 0 && self.fields > 0) || is_leaf(field));
        let field = fields[self.choose(fields.len())];
        let name = field.name.as_str();
        let mut text = if scope.iter().any(|used| used == name) || self.happens(2) {
            self.keys += 1;
            format!("k{}: {name}", self.keys)
        } else {
            scope.push(name.to_owned());
            name.to_owned()
        };
        text += &self.arguments(&field.arguments);
        text += &self.directives(may_skip);
        if !is_leaf(field) {
            text += " ";
            text += &self.set(field.ty.inner_named_type(), depth - 1, &mut Scope::new());
        }
        text
    }

    /// Decides whether to skip; without a choice, it does not.
    fn directives(&mut self, may_skip: bool) -> String {
        let kind = self.choose(8);
        let mut text = String::new();
        for (bit, name, keeps) in [(1, "skip", false), (2, "include", true)] {
            // Half of all selections have no condition.
            if kind > 4 && (kind - 4) & bit != 0 {
                let is_kept = !(may_skip && self.happens(2));
                let value = json!(is_kept == keeps);
                let value = self.write(&value, &boolean(), Position::Condition);
                text.extend([" @", name, "(if: ", &value, ")"]);
            }
        }
        text
    }

    fn arguments(&mut self, definitions: &[Node<InputValueDefinition>]) -> String {
        let mut given = Vec::new();
        for definition in definitions {
            if definition.is_required() || self.happens(2) {
                let value = self.value(&definition.ty, VALUE_DEPTH);
                let value = self.write(&value, &definition.ty, Position::Argument);
                given.push(format!("{}: {value}", definition.name));
            }
        }
        if given.is_empty() {
            return String::new();
        }
        format!("({})", given.join(", "))
    }

    /// A value of a type.
    fn value(&mut self, ty: &Type, depth: usize) -> Json {
        if !ty.is_non_null() && self.happens(6) {
            return Json::Null;
        }
        match ty {
            Type::List(item) | Type::NonNullList(item) => match self.choose(5) {
                // A single value stands for a list of one.
                4 => self.value(&item.as_ref().clone().non_null(), depth),
                length => (0..length).map(|_| self.value(item, depth)).collect(),
            },
            Type::Named(name) | Type::NonNullNamed(name) => self.named_value(name, depth),
        }
    }

    fn named_value(&mut self, name: &Name, depth: usize) -> Json {
        let types = self.types;
        match types.types.get(name) {
            Some(ExtendedType::InputObject(object)) => {
                let mut fields = Map::new();
                for (name, field) in &object.fields {
                    if field.is_required() || (depth > 0 && self.happens(2)) {
                        let value = self.value(&field.ty, depth.saturating_sub(1));
                        fields.insert(name.to_string(), value);
                    }
                }
                fields.into()
            }
            Some(ExtendedType::Enum(known)) => {
                let at = self.choose(known.values.len());
                known.values.keys().nth(at).map(Name::as_str).into()
            }
            _ => match (name.as_str(), self.choose(6)) {
                ("Boolean", choice) => json!(choice == 0),
                ("Int", choice) => json!([0, 1, 2, -7, i32::MAX, i32::MIN][choice]),
                ("ID", choice @ 0..3) => json!(choice),
                (_, choice) => json!(["b", "", "a", "\"é\"\n\\", "$v0", "12"][choice]),
            },
        }
    }

    /// Writes a value; it, or values inside of it, may become variables.
    fn write(&mut self, value: &Json, ty: &Type, position: Position) -> String {
        if position != Position::Constant && self.happens(3) {
            return self.variable(value, ty, position);
        }
        match (value, ty) {
            (Json::Null, _) => "null".to_owned(),
            (Json::Array(items), _) => {
                let ty = ty.item_type();
                let items = items.iter().map(|item| self.write(item, ty, position));
                format!("[{}]", items.collect::<Vec<_>>().join(", "))
            }
            // No variable of an item's type may stand for the list.
            (_, Type::List(item) | Type::NonNullList(item)) => {
                self.write(value, item, Position::Constant)
            }
            (Json::Object(entries), Type::Named(name) | Type::NonNullNamed(name)) => {
                let types = self.types;
                let object = types.get_input_object(name);
                let entries = entries.iter().map(|(name, value)| {
                    let ty = &object.expect("an input object").fields[name.as_str()].ty;
                    format!("{name}: {}", self.write(value, ty, position))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            (Json::String(name), ty) if self.types.get_enum(ty.inner_named_type()).is_some() => {
                name.clone()
            }
            // The other literals are JSON.
            (value, _) => value.to_string(),
        }
    }

    /// A variable of this value, given or by default.
    fn variable(&mut self, value: &Json, ty: &Type, position: Position) -> String {
        let mut known = self.variables.iter();
        let is_same = |known: &Variable| known.ty == *ty && known.given.as_ref() == Some(value);
        if let Some(known) = known.position(is_same) {
            return format!("$v{known}");
        }
        let (mut ty, mut default, mut given) = (ty.clone(), None, Some(value.clone()));
        match self.choose(6) {
            3 if !value.is_null() => ty = ty.non_null(),
            // One that is overridden.
            4 => {
                let other = self.value(&ty, 1);
                default = Some(self.write(&other, &ty, Position::Constant));
            }
            5 if position == Position::Argument => {
                default = Some(self.write(value, &ty, Position::Constant));
                given = None;
            }
            _ => {}
        }
        self.variables.push(Variable { ty, default, given });
        format!("$v{}", self.variables.len() - 1)
    }
}

fn declare((n, variable): (usize, &Variable)) -> String {
    let default = variable.default.as_ref();
    let default = default.map_or_else(String::new, |default| format!(" = {default}"));
    format!("$v{n}: {}{default}", variable.ty)
}

fn boolean() -> Type {
    Type::NonNullNamed(apollo_compiler::name!("Boolean"))
}
