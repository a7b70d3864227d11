//! What a builder may be called, and what builders can be filtered and ordered by.

use crate::domain::invalid_argument::InvalidArgument;

/// The longest builder name, in characters.
const MAX_NAME: usize = 255;

/// The fields of a builder that can be filtered or ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BuilderField {
    Builderid,
    Name,
    Description,
    DescriptionFormat,
    DescriptionHtml,
    Projectid,
    Masterids,
    Tags,
}

/// Checks the name of a new builder.
///
/// # Errors
/// The rule that the name breaks.
pub(crate) fn check_builder_name(name: &str) -> Result<(), InvalidArgument> {
    let length = name.chars().count();
    if (1..=MAX_NAME).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let rule = format!("1 to {MAX_NAME} characters, none of them a control character");
    let value = if length > MAX_NAME {
        format!("{length} characters")
    } else {
        format!("{name:?}")
    };
    Err(InvalidArgument::new("name", format!("{rule}, got {value}")))
}
