//! What a query or a mutation answers, or one event of a subscription. Its data is written once,
//! within its limits, and what transports send is made around that text.

use std::collections::BTreeMap;

use async_graphql::{Response, ServerError, Value};
use serde::Serialize;

use crate::{
    domain::error::{Error, Result},
    graphql::execute::errors::from_error,
    memory::{
        MemoryShare,
        answer_bytes::{answer_too_large, max_answer_bytes},
    },
};

/// How many bytes are written before they are counted again.
const COUNTED_BYTES: usize = 64 * 1_024;
const OPENING: &[u8] = b"{\"data\":";

/// An answer.
pub(crate) struct Answer {
    /// Up to the end of its data.
    json: Vec<u8>,
    pub(crate) errors: Vec<ServerError>,
    pub(crate) extensions: BTreeMap<String, Value>,
}

impl Answer {
    /// Writes a response, with as many bytes as `max_text_bytes` allows. `memory` is counted while
    /// it is written; whoever sends it counts it from then on. Data that it may not have is left
    /// out, and the first error says why, in the words of `explain`.
    pub(crate) fn write(
        response: Response,
        max_text_bytes: u64,
        memory: Option<MemoryShare>,
        explain: impl FnOnce(Error) -> Error,
    ) -> Self {
        let mut writer = AnswerWriter {
            json: OPENING.to_vec(),
            max: max_answer_bytes(max_text_bytes).saturating_add(OPENING.len()),
            max_text_bytes,
            memory,
        };
        let mut errors = response.errors;
        let written = writer.value(&response.data);
        if let Err(why) = written.and_then(|()| writer.count(1)) {
            errors.insert(0, from_error(&explain(why)));
            writer.json = [OPENING, b"null"].concat();
        }
        Self {
            json: writer.json,
            errors,
            extensions: response.extensions,
        }
    }

    /// The whole of it, as JSON without line breaks.
    pub(crate) fn into_json(mut self) -> Vec<u8> {
        if !self.errors.is_empty() {
            self.json.extend_from_slice(b",\"errors\":");
            push_json(&mut self.json, &self.errors);
        }
        if !self.extensions.is_empty() {
            self.json.extend_from_slice(b",\"extensions\":");
            push_json(&mut self.json, &self.extensions);
        }
        self.json.push(b'}');
        self.json
    }

    /// The same as text.
    pub(crate) fn into_text(self) -> String {
        String::from_utf8(self.into_json()).unwrap_or_default()
    }
}

/// The answer to what was not executed: it has no data, as null would mean that execution failed.
pub(crate) fn refusal_json(errors: &[ServerError]) -> Vec<u8> {
    let mut json = b"{\"errors\":".to_vec();
    push_json(&mut json, &errors);
    json.push(b'}');
    json
}

/// Adds a value of ours, which can be written.
fn push_json(json: &mut Vec<u8>, value: &impl Serialize) {
    if let Err(error) = serde_json::to_writer(json, value) {
        tracing::error!(%error, "a part of an answer could not be written");
    }
}

/// Writes data.
struct AnswerWriter {
    json: Vec<u8>,
    max: usize,
    max_text_bytes: u64,
    memory: Option<MemoryShare>,
}

impl AnswerWriter {
    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Null => self.json.extend_from_slice(b"null"),
            Value::Boolean(true) => self.json.extend_from_slice(b"true"),
            Value::Boolean(false) => self.json.extend_from_slice(b"false"),
            Value::Number(number) => push_json(&mut self.json, number),
            Value::String(text) => push_json(&mut self.json, text),
            Value::Enum(name) => push_json(&mut self.json, name),
            // What was written already: see `schema/plain.rs`.
            Value::Binary(json) => self.json.extend_from_slice(json),
            Value::List(items) => self.list(items)?,
            Value::Object(fields) => {
                let mut opening = b'{';
                for (name, value) in fields {
                    self.json.push(opening);
                    push_json(&mut self.json, name);
                    self.json.push(b':');
                    self.value(value)?;
                    opening = b',';
                }
                if fields.is_empty() {
                    self.json.push(opening);
                }
                self.json.push(b'}');
            }
        }
        self.count(COUNTED_BYTES)
    }

    fn list(&mut self, items: &[Value]) -> Result<()> {
        self.json.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.json.push(b',');
            }
            self.value(item)?;
        }
        self.json.push(b']');
        Ok(())
    }

    /// Checks the length, and counts what was written once it is so many bytes more.
    fn count(&mut self, step: usize) -> Result<()> {
        let written = self.json.len();
        if written > self.max {
            return Err(answer_too_large(self.max_text_bytes));
        }
        if let Some(memory) = &mut self.memory
            && written >= memory.bytes().saturating_add(step)
        {
            memory.grow(written - memory.bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, value};

    use super::*;

    fn answer(data: Value, max_text_bytes: u64) -> Answer {
        let why = |error| error;
        Answer::write(Response::new(data), max_text_bytes, None, why)
    }

    #[test]
    fn it_is_written_as_serde_json_writes_it() {
        let data = value!({
            "a": [1, -2, 1.5, true, false, null, "\u{1}\"\\ é\u{1f600}", [], {}],
            "b": { "c": (Value::Enum(Name::new("A"))) },
        });
        let written = answer(data.clone(), u64::MAX).into_text();
        let usual = serde_json::to_string(&data).expect("JSON");
        assert_eq!(written, format!("{{\"data\":{usual}}}"));
    }

    #[test]
    fn what_is_json_already_is_passed_on() {
        let data = Value::List(vec![Value::Binary("{\"a\":1}".into()), Value::Null]);
        assert_eq!(answer(data, 100).into_text(), "{\"data\":[{\"a\":1},null]}");
    }

    #[test]
    fn it_has_so_many_bytes_at_most() {
        // 10 bytes as JSON, since a control character is escaped.
        let data = value!(["\u{1}"]);
        assert!(answer(data.clone(), 5).errors.is_empty());
        let refused = answer(data, 4);
        assert_eq!(refused.errors.len(), 1);
        let text = refused.into_text();
        assert!(text.starts_with("{\"data\":null,\"errors\":[{"), "{text}");
    }
}
