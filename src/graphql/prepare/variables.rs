//! The values of an operation's variables, coerced to their types.

use std::collections::HashMap;

use apollo_compiler::{Name, executable::Operation};
use async_graphql::{ServerError, Value};
use serde_json::{Map, Value as Json};

use crate::graphql::{
    prepare::{
        coercion::{Coercion, InputPosition, InvalidValue, Path},
        positions::Positions,
        type_system::TypeSystem,
    },
    schema::scalar::Breach,
};

/// Values by the names of the variables that have one: given, or by default.
pub(crate) type Variables = HashMap<Name, Value>;

/// Coerces what the operation declares; anything else is ignored. Fails where a value does not fit
/// its type, or a required one is missing.
pub(crate) fn coerce_variables(
    operation: &Operation,
    given: &Map<String, Json>,
    types: &TypeSystem,
    suggests: bool,
    positions: &Positions,
) -> Result<Variables, ServerError> {
    let coercion = Coercion {
        types,
        suggests,
        // Neither JSON nor a default has variables.
        variable: |_: &Name, _: InputPosition<'_>| Ok(None),
    };
    let mut variables = Variables::with_capacity(operation.variables.len());
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
