//! Coerces input values as the specification says: the literals of a document and the JSON of its
//! variables, by the same rules.

use std::fmt;

use apollo_compiler::{
    Name,
    ast::{InputValueDefinition, Type},
    parser::SourceSpan,
    schema::{EnumType, ExtendedType, InputObjectType},
};
use async_graphql::{Name as OutputName, Pos, ServerError, Value, indexmap::IndexMap};

use crate::graphql::{
    execute::errors,
    prepare::{
        input_value::{Form, InputValue},
        suggestion::did_you_mean,
        type_system::TypeSystem,
    },
    schema::scalar::{Breach, check_scalar},
};

/// The way to a value: its argument or variable, then the fields of input objects.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Argument(&'p str),
    Variable(&'p str),
    Field(&'p Path<'p>, &'p str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(name) => f.write_str(name),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
        }
    }
}

/// A value that breaks a rule.
#[derive(Debug)]
pub(crate) struct InvalidValue {
    pub(crate) path: String,
    pub(crate) rule: String,
    /// Where it is written; `None` for a variable's.
    pub(crate) location: Option<SourceSpan>,
    pub(crate) breach: Breach,
}

impl InvalidValue {
    /// The error of a response.
    pub(crate) fn at(&self, pos: Pos) -> ServerError {
        errors::invalid_value(self.breach, &self.path, &self.rule, pos)
    }
}

/// A place for a value: its type, and whether it has a default.
#[derive(Clone, Copy)]
pub(crate) struct InputPosition<'t> {
    pub(crate) ty: &'t Type,
    pub(crate) has_default: bool,
    /// Whether a variable of any type may stand here: the place is inside the value of a scalar.
    pub(crate) takes_any: bool,
}

impl<'t> InputPosition<'t> {
    pub(crate) fn of(definition: &'t InputValueDefinition) -> Self {
        Self {
            ty: &definition.ty,
            has_default: definition.default_value.is_some(),
            takes_any: false,
        }
    }

    pub(crate) fn without_default(ty: &'t Type) -> Self {
        Self {
            ty,
            has_default: false,
            takes_any: false,
        }
    }
}

/// Coerces values.
pub(crate) struct Coercion<'c, F> {
    pub(crate) types: &'c TypeSystem,
    /// Whether messages may name parts of the schema that the request does not.
    pub(crate) suggests: bool,
    /// The value of a variable in a position; `None` if it was not provided, the broken rule if it
    /// may not stand there.
    pub(crate) variable: F,
}

type Coerced = Result<Option<Value>, InvalidValue>;

impl<F> Coercion<'_, F>
where
    F: Fn(&Name, InputPosition<'_>) -> Result<Option<Value>, String>,
{
    /// Coerces a value; `None` is a variable that was not provided.
    pub(crate) fn coerce<V: InputValue>(
        &self,
        path: Path<'_>,
        value: &V,
        position: InputPosition<'_>,
    ) -> Coerced {
        let ty = position.ty;
        match (ty, value.form()) {
            (_, Form::Variable(name)) => {
                let found = (self.variable)(name, position);
                found.map_err(|rule| invalid(path, value, rule))
            }
            (_, Form::Null) if ty.is_non_null() => {
                let rule = format!("a value of the type {ty} is needed, got null");
                Err(invalid(path, value, rule))
            }
            (_, Form::Null) => Ok(Some(Value::Null)),
            (Type::List(item) | Type::NonNullList(item), form) => {
                let items = match form {
                    Form::List(items) => items,
                    // A single value stands for a list of one.
                    _ => vec![value],
                };
                let position = InputPosition::without_default(item);
                let items = items.into_iter().map(|item| {
                    let item = self.coerce(path, item, position)?;
                    Ok(item.unwrap_or_default())
                });
                Ok(Some(Value::List(items.collect::<Result<_, _>>()?)))
            }
            (Type::Named(name) | Type::NonNullNamed(name), Form::List(_) | Form::Object(_))
                if name == "_Any" =>
            {
                let position = InputPosition {
                    takes_any: true,
                    ..position
                };
                self.coerce_any(path, value, position)
            }
            (Type::Named(name) | Type::NonNullNamed(name), form) => {
                self.coerce_named(path, value, form, name).map(Some)
            }
        }
    }

    /// Coerces the value of a scalar that takes all values: nothing but its variables.
    fn coerce_any<V: InputValue>(
        &self,
        path: Path<'_>,
        value: &V,
        position: InputPosition<'_>,
    ) -> Coerced {
        match value.form() {
            Form::Variable(name) => {
                let found = (self.variable)(name, position);
                found.map_err(|rule| invalid(path, value, rule))
            }
            Form::List(items) => {
                let items = items.into_iter().map(|item| {
                    let item = self.coerce_any(path, item, position)?;
                    Ok(item.unwrap_or_default())
                });
                Ok(Some(Value::List(items.collect::<Result<_, _>>()?)))
            }
            Form::Object(entries) => {
                let mut fields = IndexMap::new();
                for (name, entry) in entries {
                    let path = Path::Field(&path, name);
                    let coerced = self.coerce_any(path, entry, position)?;
                    let coerced =
                        coerced.map(|coerced| fields.insert(OutputName::new(name), coerced));
                    if coerced.flatten().is_some() {
                        let rule = format!("there can be only one field \"{name}\"");
                        return Err(invalid(path, entry, rule));
                    }
                }
                Ok(Some(Value::Object(fields)))
            }
            Form::Null | Form::Scalar => Ok(Some(value.to_constant())),
        }
    }

    fn coerce_named<V: InputValue>(
        &self,
        path: Path<'_>,
        value: &V,
        form: Form<'_, V>,
        name: &Name,
    ) -> Result<Value, InvalidValue> {
        let refuse = |rule| Err(invalid(path, value, rule));
        match (self.types.types.get(name), form) {
            (Some(ExtendedType::InputObject(object)), Form::Object(entries)) => {
                self.coerce_object(path, value, &entries, object)
            }
            (Some(ExtendedType::InputObject(_)), _) => {
                let got = value.to_constant();
                refuse(format!("an object of the type {name} is needed, got {got}"))
            }
            (Some(ExtendedType::Enum(values)), _) => {
                self.coerce_enum(value, values).or_else(refuse)
            }
            _ => {
                let constant = value.to_constant();
                check_scalar(name, constant).map_err(|(breach, rule)| InvalidValue {
                    breach,
                    ..invalid(path, value, rule)
                })
            }
        }
    }

    fn coerce_enum<V: InputValue>(&self, value: &V, values: &EnumType) -> Result<Value, String> {
        let (name, constant) = (&values.name, value.to_constant());
        let got = match &constant {
            Value::Enum(got) => got.as_str(),
            Value::String(got) if V::QUOTES_ENUMS => got.as_str(),
            Value::String(_) => {
                return Err(format!("a value of {name} without quotes, got {constant}"));
            }
            _ => return Err(format!("a value of {name}, got {constant}")),
        };
        if values.values.contains_key(got) {
            return Ok(Value::Enum(OutputName::new(got)));
        }
        if !self.suggests {
            return Err(format!("a value of {name}, got {constant}"));
        }
        let known: Vec<&str> = values.values.keys().map(Name::as_str).collect();
        let meant = did_you_mean(got, known.iter().copied());
        let dot = if meant.is_empty() { "" } else { "." };
        Err(format!(
            "one of {}, got {constant}{dot}{meant}",
            known.join(", ")
        ))
    }

    fn coerce_object<V: InputValue>(
        &self,
        path: Path<'_>,
        value: &V,
        entries: &[(&str, &V)],
        object: &InputObjectType,
    ) -> Result<Value, InvalidValue> {
        for (at, (name, entry)) in entries.iter().enumerate() {
            let refuse = |rule| Err(invalid(path, *entry, rule));
            if !object.fields.contains_key(*name) {
                let known = object.fields.keys().map(Name::as_str);
                let known = known.filter(|_| self.suggests);
                let meant = did_you_mean(name, known);
                let rule = format!("{} has no field \"{name}\".{meant}", object.name);
                return refuse(rule);
            }
            if entries[..at].iter().any(|(other, _)| other == name) {
                return refuse(format!("there can be only one field \"{name}\""));
            }
        }
        let mut fields = IndexMap::new();
        for (name, definition) in &object.fields {
            let entry = entries.iter().find(|(entry, _)| *name == **entry);
            let path = Path::Field(&path, name);
            let given = match entry {
                Some((_, entry)) => self.coerce(path, *entry, InputPosition::of(definition))?,
                None => None,
            };
            let coerced = match given {
                Some(given) => Some(given),
                None => self.default_of(path, definition)?,
            };
            match coerced {
                Some(coerced) => {
                    fields.insert(OutputName::new(name), coerced);
                }
                None if entry.is_none() && definition.is_required() => {
                    let rule = format!("a value of the type {} is needed, got none", definition.ty);
                    return Err(invalid(path, value, rule));
                }
                None => {}
            }
        }
        Ok(Value::Object(fields))
    }

    /// The default of an argument or a field, if it has one.
    pub(crate) fn default_of(&self, path: Path<'_>, definition: &InputValueDefinition) -> Coerced {
        match &definition.default_value {
            Some(default) => self.coerce(path, default, InputPosition::of(definition)),
            None => Ok(None),
        }
    }
}

fn invalid<V: InputValue>(path: Path<'_>, value: &V, rule: String) -> InvalidValue {
    InvalidValue {
        path: path.to_string(),
        rule,
        location: value.location(),
        breach: Breach::Type,
    }
}
