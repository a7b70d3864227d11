//! Values that are written as JSON before the rest of their answer is.

use std::sync::Arc;

use async_graphql::{ScalarType, Value};

use crate::graphql::execute::budget::{Budget, SHORT_TEXT};

/// Why a value is not written at once: the library must resolve it.
#[derive(Debug)]
pub(crate) struct NotPlain;

/// JSON that is being written. What it takes is the operation's.
pub(crate) struct JsonText {
    json: Vec<u8>,
    /// The bytes of long texts.
    text_bytes: usize,
    budget: Arc<Budget>,
}

impl JsonText {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self {
            json: Vec::new(),
            text_bytes: 0,
            budget: budget.clone(),
        }
    }

    /// Adds JSON.
    pub(crate) fn push(&mut self, json: &str) {
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Adds a word of JSON.
    #[expect(clippy::unnecessary_wraps, reason = "as every way to write a value")]
    pub(crate) fn word(&mut self, word: &str) -> Result<(), NotPlain> {
        self.push(word);
        Ok(())
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: i32) -> Result<(), NotPlain> {
        serde_json::to_writer(&mut self.json, &number).map_err(|_| NotPlain)
    }

    /// Adds a string.
    pub(crate) fn string(&mut self, text: &str) -> Result<(), NotPlain> {
        serde_json::to_writer(&mut self.json, text).map_err(|_| NotPlain)
    }

    /// Adds a text of which an answer may not have too much.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), NotPlain> {
        if text.len() > SHORT_TEXT {
            self.text_bytes += text.len();
        }
        self.string(text)
    }

    /// Adds a scalar.
    pub(crate) fn scalar(&mut self, scalar: &impl ScalarType) -> Result<(), NotPlain> {
        serde_json::to_writer(&mut self.json, &scalar.to_value()).map_err(|_| NotPlain)
    }

    /// Whether an answer may have as much.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check(&self) -> Result<(), NotPlain> {
        if self.budget.may_write(self.json.len(), self.text_bytes) {
            Ok(())
        } else {
            Err(NotPlain)
        }
    }

    /// The value, in the one form that the library passes on as it is; `None` where the operation
    /// may not have it.
    pub(crate) fn into_value(self) -> Option<Value> {
        let is_held = self.budget.hold_written(self.json.len(), self.text_bytes);
        is_held.then(|| Value::Binary(self.json.into()))
    }
}
