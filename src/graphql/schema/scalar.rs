//! The scalars of the contract: DateTime, NameOrNumber, EventCursor.

use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};

use crate::{
    domain::{step, time},
    graphql::schema::plain::plain_leaf,
    store::unchecked_int::UncheckedInt,
};

/// An instant in UTC. Written as RFC 3339 with a Z, whole seconds: 2026-11-22T06:16:00Z. Read as RFC 3339 (any offset) or as an Int of seconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DateTime(pub(crate) i64);

/// An instant in UTC. Written as RFC 3339 with a Z, whole seconds: 2026-11-22T06:16:00Z. Read as RFC 3339 (any offset) or as an Int of seconds since the Unix epoch.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        // RFC 3339 writes years of four digits only.
        time::format(self.0).map_or(Value::Null, Value::String)
    }
}

impl DateTime {
    /// Reads a value. The error says what it should be.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let seconds = match value {
            Value::String(text) => time::parse(text),
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        seconds.map(Self).ok_or_else(|| {
            format!(
                "an RFC 3339 time such as 2026-11-22T06:16:00Z or an Int of seconds since the epoch, got {value}"
            )
        })
    }

    /// Reads a column that may hold anything; `None` also for a year that RFC 3339 cannot write.
    pub(crate) fn from_column(column: Option<&UncheckedInt>) -> Option<Self> {
        Self::if_writable(column?.int()?)
    }

    /// The time, unless its year is one that RFC 3339 cannot write.
    pub(crate) fn if_writable(seconds: i64) -> Option<Self> {
        time::is_writable(seconds).then_some(Self(seconds))
    }
}

/// A step's number (an Int, or a String of ASCII digits) or its name.
#[derive(Clone, Debug)]
pub(crate) struct NameOrNumber(pub(crate) step::NameOrNumber);

/// A step's number (an Int, or a String of ASCII digits) or its name.
#[Scalar]
impl ScalarType for NameOrNumber {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        match &self.0 {
            step::NameOrNumber::Number(n) => (*n).into(),
            step::NameOrNumber::Name(name) => name.as_str().into(),
        }
    }
}

impl NameOrNumber {
    /// Reads a value. The error says what it should be.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::String(text) => return step::NameOrNumber::parse(text).map(Self),
            Value::Number(number) => number.as_i64().and_then(|n| i32::try_from(n).ok()),
            _ => None,
        };
        number
            .map(|n| Self(step::NameOrNumber::Number(n)))
            .ok_or_else(|| format!("a 32-bit Int or a String, got {value}"))
    }
}

/// A position in the change feed. Opaque, totally ordered, good on every server that shares the database, across restarts.
#[derive(Clone, Debug)]
pub(crate) struct EventCursor(pub(crate) String);

/// A position in the change feed. Opaque, totally ordered, good on every server that shares the database, across restarts.
#[Scalar]
impl ScalarType for EventCursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        Self::read(&value).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        self.0.as_str().into()
    }
}

impl EventCursor {
    /// Reads a value. The error says what it should be.
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text.clone())),
            other => Err(format!("a String that this server gave, got {other}")),
        }
    }
}

/// Up to here every integer is a double of its own.
pub(crate) const MAX_EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// What a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// The rules of the language: it is of another type, or stands where it may not.
    Type,
    /// A rule of its scalar.
    Scalar,
}

/// Checks the constant of a scalar, and returns it as the scalar's parser takes it. The error says
/// what it should be.
pub(crate) fn check_scalar(name: &str, value: Value) -> Result<Value, (Breach, String)> {
    let of_type = |what: &str| Err((Breach::Type, format!("{what}, got {value}")));
    let by_rule = |read: Result<(), String>| match read {
        Ok(()) => Ok(value.clone()),
        Err(rule) => Err((Breach::Scalar, rule)),
    };
    match (name, &value) {
        ("Int", Value::Number(number)) if is_integer(number) => {
            let int = number.as_i64().map(i32::try_from);
            by_rule(match int {
                Some(Ok(_)) => Ok(()),
                _ => Err(format!(
                    "an Int from {} to {}, got {number}",
                    i32::MIN,
                    i32::MAX
                )),
            })
        }
        ("ID", Value::Number(number)) if is_integer(number) => Ok(match number.as_f64() {
            Some(double) if number.is_f64() => format!("{double:.0}").into(),
            _ => number.to_string().into(),
        }),
        ("ID" | "String", Value::String(_))
        | ("Boolean", Value::Boolean(_))
        | ("Float", Value::Number(_))
        // What it represents is judged where it is looked up, so that others are answered.
        | ("_Any", _) => Ok(value),
        ("Int", _) => of_type("an Int"),
        ("ID", _) => of_type("a String or an Int"),
        ("DateTime", value) => by_rule(DateTime::read(value).map(drop)),
        ("NameOrNumber", value) => by_rule(NameOrNumber::read(value).map(drop)),
        ("EventCursor", value) => by_rule(EventCursor::read(value).map(drop)),
        (name, _) => of_type(&format!("a {name}")),
    }
}

/// Whether the number is an integer, which one beyond 64 bits is as a double too. A smaller double is
/// a literal with a point or an exponent: of JSON's numbers, those without a fraction are integers.
fn is_integer(number: &Number) -> bool {
    let double = number.as_f64().filter(|_| number.is_f64());
    double.is_none_or(|double| double.fract() == 0.0 && double.abs() > MAX_EXACT_DOUBLE)
}

plain_leaf! {
    [] DateTime, |value, out| out.value(&value.to_value());
    [] EventCursor, |value, out| out.value(&value.0);
}
