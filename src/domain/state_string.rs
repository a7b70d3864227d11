//! What the state string of a build or a step may be.

use crate::domain::invalid_argument::InvalidArgument;

/// The longest state string, in characters.
const MAX_STATE_STRING: usize = 16_384;

/// Checks a new state string.
///
/// # Errors
/// The rule that the text breaks.
pub(crate) fn check_state_string(text: &str) -> Result<(), InvalidArgument> {
    let length = text.chars().count();
    if length > MAX_STATE_STRING {
        return Err(InvalidArgument::new(
            "stateString",
            format!("at most {MAX_STATE_STRING} characters, got {length}"),
        ));
    }
    // PostgreSQL's texts hold no NUL.
    if text.contains('\0') {
        return Err(InvalidArgument::new(
            "stateString",
            "no NUL character, got one",
        ));
    }
    Ok(())
}
