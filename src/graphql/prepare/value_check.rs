//! Refuses, before anything runs, the values that async-graphql 7.2 would refuse only while it
//! executes, with earlier mutations already committed: a variable that is missing, and a value that
//! its scalar does not take, such as an Int beyond 32 bits.

use async_graphql::{
    Pos, ServerError, Value, Variables,
    parser::types::{BaseType, OperationDefinition, Type},
};

use crate::graphql::{
    execute::errors,
    prepare::schema_types::SchemaTypes,
    schema::scalar::{DateTime, NameOrNumber},
};

/// Fails where a variable of an operation is missing, or its value does not fit its type.
pub(crate) fn validate_variables(
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
                let check = ValueCheck {
                    types,
                    in_document: false,
                };
                check
                    .check_value(&format!("${name}"), value, ty)
                    .map_err(|wrong| wrong.at(definition.name.pos))?;
            }
        }
    }
    Ok(())
}

/// A value that breaks a rule: its path, and the rule.
pub(crate) struct InvalidValue {
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

    /// The error of a response, with the position of the value or of its variable.
    pub(crate) fn at(self, pos: Pos) -> ServerError {
        errors::bad_value(&self.path, &self.rule, pos)
    }
}

/// Checks values against their types. The library refuses a value of another kind altogether.
pub(crate) struct ValueCheck<'t> {
    pub(crate) types: &'t SchemaTypes,
    /// Whether the values are literals of the document, where an enum is a name; in JSON it is a
    /// string.
    pub(crate) in_document: bool,
}

impl ValueCheck<'_> {
    /// Fails with the path of the part that does not fit.
    pub(crate) fn check_value(
        &self,
        path: &str,
        value: &Value,
        ty: &Type,
    ) -> Result<(), InvalidValue> {
        match (&ty.base, value) {
            (_, Value::Null) => Ok(()),
            (BaseType::List(inner), Value::List(items)) => items
                .iter()
                .try_for_each(|item| self.check_value(path, item, inner)),
            // A single value stands for a list of one.
            (BaseType::List(inner), single) => self.check_value(path, single, inner),
            (BaseType::Named(name), Value::Object(fields)) => {
                fields.iter().try_for_each(|(field, value)| {
                    let Some(known) = self.types.field(name, field) else {
                        return Ok(());
                    };
                    self.check_value(&format!("{path}.{field}"), value, &known.ty)
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
