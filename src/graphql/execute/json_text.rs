//! Values that are written as JSON before the rest of their answer is.

use std::sync::Arc;

use async_graphql::Value;
use serde::Serialize;

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

    /// Adds a value.
    pub(crate) fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), NotPlain> {
        serde_json::to_writer(&mut self.json, value).map_err(|_| NotPlain)
    }

    /// Adds a text of which an answer may not have too much.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), NotPlain> {
        if text.len() > SHORT_TEXT {
            self.text_bytes += text.len();
        }
        self.value(text)
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
