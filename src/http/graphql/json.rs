//! Reads JSON whose values are counted: a byte or two of text becomes a value of many times that,
//! so bytes alone do not bound the memory.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use crate::domain::error::Error;

/// Why JSON is not read.
#[derive(Debug)]
pub(crate) enum JsonError {
    Syntax(serde_json::Error),
    /// It has more values than it may; nothing is built beyond those.
    TooManyValues(Error),
}

/// Reads a text that is JSON with at most `max` values.
pub(crate) fn parse(text: &[u8], max: u64) -> Result<Json, JsonError> {
    let left = Cell::new(Some(max));
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let json = Counted(&left).deserialize(&mut deserializer);
    json.and_then(|json| deserializer.end().map(|()| json))
        .map_err(|error| match left.get() {
            Some(_) => JsonError::Syntax(error),
            None => JsonError::TooManyValues(Error::LimitExceeded {
                limit: "max-json-values",
                max,
                asked: None,
                advice: "send fewer values at once (variables, lists, operations of a batch)",
            }),
        })
}

/// A value, counted with what is in it. The cell has how many may still come; `None` once there
/// were too many.
struct Counted<'c>(&'c Cell<Option<u64>>);

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.0
            .set(self.0.get().and_then(|left| left.checked_sub(1)));
        if self.0.get().is_none() {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Counted(self.0))? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key()? {
            object.insert(name, entries.next_value_seed(Counted(self.0))?);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        for text in [
            r#"{"a":[1,-2,1.5,1e300,true,null,"é\n\ud83d\ude00",{"b":{}}],"a":"again"}"#,
            "18446744073709551615",
            " [ ] ",
        ] {
            let read = parse(text.as_bytes(), 100).expect("it is JSON");
            assert_eq!(
                read,
                serde_json::from_str::<Json>(text).expect("it is JSON")
            );
        }
        for text in [
            "",
            "{",
            "[1,]",
            "1 2",
            "1e999",
            "\"\\ud800\"",
            &"[".repeat(200),
        ] {
            let Err(JsonError::Syntax(error)) = parse(text.as_bytes(), 1_000) else {
                panic!("{text}");
            };
            let usual = serde_json::from_str::<Json>(text).expect_err("it is no JSON");
            assert_eq!(error.to_string(), usual.to_string());
        }
    }

    #[test]
    fn a_value_too_many_ends_the_reading() {
        let text = json!([[1, 2], { "a": {}, "b": "text" }]).to_string();
        parse(text.as_bytes(), 7).expect("as many as it may have");
        let Err(JsonError::TooManyValues(error)) = parse(text.as_bytes(), 6) else {
            panic!("it is one too many");
        };
        assert!(
            error.to_string().starts_with("max-json-values is 6"),
            "{error}"
        );
        let endless = "[".to_owned() + &"{},".repeat(100);
        let refused = parse(endless.as_bytes(), 50);
        assert!(
            matches!(refused, Err(JsonError::TooManyValues(_))),
            "before its end"
        );
    }
}
