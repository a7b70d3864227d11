//! The rule for idempotency keys.

/// The longest key, in characters.
const MAX_LENGTH: usize = 255;

/// The name that a client gives to a mutation, so that a repetition of it is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key, or returns the rule that it breaks.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        let got = if !(1..=MAX_LENGTH).contains(&length) {
            length.to_string()
        } else if let Some(other) = text.chars().find(|c| !matches!(c, ' '..='~')) {
            format!("{other:?}")
        } else {
            return Ok(Self(text.to_owned()));
        };
        let rule = format!("1 to {MAX_LENGTH} printable ASCII characters, got {got}");
        Err(rule)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
