//! The values of an operation's variables, coerced to their types.

use std::{cell::Cell, collections::HashMap};

use apollo_compiler::{Name, executable::Operation};
use async_graphql::{Pos, ServerError, Value};
use serde_json::{Map, Value as Json};

use crate::graphql::{
    execute::errors,
    prepare::{
        coercion::{Coercion, InputPosition, InvalidValue, Path},
        positions::Positions,
        type_system::TypeSystem,
    },
    schema::scalar::Breach,
};

/// What a value takes beside its text, in bytes.
const OVERHEAD: u64 = 8;

/// Values by the names of the variables that have one: given, or by default.
pub(crate) struct Variables {
    pub(crate) values: HashMap<Name, Value>,
    /// How many bytes the arguments of the canonical operation may still have: a value counts
    /// wherever it is put in. `None` once there were too many.
    left: Cell<Option<u64>>,
    max: u64,
}

impl Variables {
    /// The values for a document of at most `max` bytes.
    pub(crate) fn new(values: HashMap<Name, Value>, max: u64) -> Self {
        let given: u64 = values.values().map(bytes_of).sum();
        // Twice, since a variable's value counts as such and within its argument.
        let left = given.saturating_add(max).saturating_mul(2);
        Self {
            values,
            left: Cell::new(Some(left)),
            max,
        }
    }

    /// A variable's value, to be put in; fails where it has been put in too often.
    pub(crate) fn put_in(&self, name: &Name) -> Result<Option<Value>, String> {
        let Some(value) = self.values.get(name) else {
            return Ok(None);
        };
        self.count(value);
        match self.left.get() {
            Some(_) => Ok(Some(value.clone())),
            None => Err(ADVICE.to_owned()),
        }
    }

    /// Counts a value of the canonical operation.
    pub(crate) fn count(&self, value: &Value) {
        let left = self.left.get();
        self.left
            .set(left.and_then(|left| left.checked_sub(bytes_of(value))));
    }

    /// The error for values that were put in too often.
    pub(crate) fn check(&self, at: Pos) -> Result<(), ServerError> {
        if self.left.get().is_some() {
            return Ok(());
        }
        let (limit, max) = ("max-document-bytes", self.max);
        let what = "bytes or more once fragments and variables are put in";
        let more = max.saturating_add(1);
        Err(errors::limit(limit, max, more, what, ADVICE, &[at]))
    }
}

/// What to do where values are put in too often.
const ADVICE: &str = "use a long value in fewer places";

/// About how many bytes a value has as text.
pub(crate) fn bytes_of(value: &Value) -> u64 {
    let inner: u64 = match value {
        Value::String(text) => text.len() as u64,
        Value::List(items) => items.iter().map(bytes_of).sum(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| name.len() as u64 + bytes_of(value))
                .sum()
        }
        _ => 0,
    };
    inner.saturating_add(OVERHEAD)
}

/// Coerces what the operation declares; anything else is ignored. Fails where a value does not fit
/// its type, or a required one is missing.
pub(crate) fn coerce_variables(
    operation: &Operation,
    given: &Map<String, Json>,
    types: &TypeSystem,
    suggests: bool,
    positions: &Positions,
) -> Result<HashMap<Name, Value>, ServerError> {
    let coercion = Coercion {
        types,
        suggests,
        // Neither JSON nor a default has variables.
        variable: |_: &Name, _: InputPosition<'_>| Ok(None),
    };
    let mut variables = HashMap::with_capacity(operation.variables.len());
    for definition in &operation.variables {
        let (name, ty) = (&definition.name, &*definition.ty);
        let position = InputPosition::without_default(ty);
        let path = Path::Variable(name);
        let coerced = match (given.get(name.as_str()), &definition.default_value) {
            (Some(given), _) => coercion.coerce(path, given, position),
            (None, Some(default)) => coercion.coerce(path, default, position),
            (None, None) if ty.is_non_null() => Err(InvalidValue {
                path: path.to_string(),
                rule: format!("a value of the type {ty} is needed, got none"),
                location: None,
                breach: Breach::Type,
            }),
            (None, None) => Ok(None),
        };
        let coerced = coerced.map_err(|invalid| {
            let at = positions.start(definition.location());
            invalid.at(at)
        })?;
        variables.extend(coerced.map(|value| (name.clone(), value)));
    }
    Ok(variables)
}
