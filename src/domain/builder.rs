//! What a builder may be called, and what builders can be filtered and ordered by.

use crate::domain::invalid_argument::InvalidArgument;

/// The longest name of a builder or tag, in characters.
const MAX_NAME: usize = 255;
/// The most tags that a builder has.
const MAX_TAGS: usize = 100;
/// The longest description: MariaDB's TEXT ends one byte later.
const MAX_TEXT_BYTES: usize = 65_535;

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

/// What is set of a builder; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuilderInfo {
    pub(crate) description: Option<String>,
    pub(crate) description_format: Option<String>,
    pub(crate) description_html: Option<String>,
    /// All its tags, in order.
    pub(crate) tags: Option<Vec<String>>,
}

impl BuilderInfo {
    /// Checks the texts and the tags.
    ///
    /// # Errors
    /// The rule that one of them breaks.
    pub(crate) fn check(&self) -> Result<(), InvalidArgument> {
        for (argument, text) in [
            ("description", &self.description),
            ("descriptionFormat", &self.description_format),
            ("descriptionHtml", &self.description_html),
        ] {
            if let Some(text) = text {
                check_text(argument, text)?;
            }
        }
        self.tags.as_deref().map_or(Ok(()), check_tags)
    }
}

fn check_text(argument: &'static str, text: &str) -> Result<(), InvalidArgument> {
    let got = if text.contains('\0') {
        "a NUL".to_owned()
    } else if text.len() > MAX_TEXT_BYTES {
        format!("{} bytes", text.len())
    } else {
        return Ok(());
    };
    let rule = format!("at most {MAX_TEXT_BYTES} bytes in UTF-8, no NUL, got {got}");
    Err(InvalidArgument::new(argument, rule))
}

fn check_tags(tags: &[String]) -> Result<(), InvalidArgument> {
    let invalid = |rule: String| Err(InvalidArgument::new("tags", rule));
    if tags.len() > MAX_TAGS {
        return invalid(format!("at most {MAX_TAGS} tags, got {}", tags.len()));
    }
    for (n, tag) in tags.iter().enumerate() {
        let length = tag.chars().count();
        if !(1..=MAX_NAME).contains(&length) || tag.chars().any(char::is_control) {
            let got = if length > MAX_NAME {
                format!("{length} characters")
            } else {
                format!("{tag:?}")
            };
            return invalid(format!(
                "each has 1 to {MAX_NAME} characters, none of them a control character, got {got}"
            ));
        }
        if tags[..n].contains(tag) {
            return invalid(format!("each tag once, got {tag:?} twice"));
        }
    }
    Ok(())
}
