//! What a log of a step is: its types and streams, and the rules for its name and slug.

use crate::domain::{invalid_argument::InvalidArgument, step::check_step_name};

/// The longest slug, in characters (`logs.slug` is `VARCHAR(50)`).
pub(crate) const MAX_SLUG: usize = 50;

/// The longest name of a new log, in characters.
const MAX_LOG_NAME: usize = 255;

/// The fields of a log that can be filtered or ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogField {
    Logid,
    Stepid,
    /// Of its step; null if there is no such step.
    Buildid,
    Name,
    Slug,
    Complete,
    NumLines,
    /// As its letter.
    Type,
}

/// What a log's lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogType {
    /// Lines of a program's output, each of a stream.
    Stdio,
    /// Plain text.
    Text,
    /// HTML.
    Html,
    /// The lines are gone; the log says how many there were.
    Deleted,
}

impl LogType {
    /// The letter that the database holds.
    #[must_use]
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Stdio => "s",
            Self::Text => "t",
            Self::Html => "h",
            Self::Deleted => "d",
        }
    }

    /// The type with this letter. Any that Buildbot does not have is plain text.
    #[must_use]
    pub(crate) fn from_letter(letter: &str) -> Self {
        match letter {
            "s" => Self::Stdio,
            "h" => Self::Html,
            "d" => Self::Deleted,
            _ => Self::Text,
        }
    }
}

/// Where a line of a log of type STDIO comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogStream {
    /// The program's standard output; also every line of a log of another type.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// What Buildbot itself says about the program.
    Header,
}

impl LogStream {
    /// The character before a stored line.
    #[must_use]
    pub(crate) fn character(self) -> char {
        match self {
            Self::Stdout => 'o',
            Self::Stderr => 'e',
            Self::Header => 'h',
        }
    }

    /// The stream with this character.
    #[must_use]
    pub(crate) fn from_character(character: char) -> Option<Self> {
        match character {
            'o' => Some(Self::Stdout),
            'e' => Some(Self::Stderr),
            'h' => Some(Self::Header),
            _ => None,
        }
    }
}

/// Checks the name of a new log.
///
/// # Errors
/// The rule that the name breaks.
pub(crate) fn check_log_name(name: &str) -> Result<(), InvalidArgument> {
    let length = name.chars().count();
    if length == 0 || length > MAX_LOG_NAME {
        let rule = format!("1 to {MAX_LOG_NAME} characters, got {length}");
        return Err(InvalidArgument::new("name", rule));
    }
    // PostgreSQL's texts hold no NUL.
    if name.contains('\0') {
        return Err(InvalidArgument::new("name", "no NUL character, got one"));
    }
    Ok(())
}

/// The slug of a log of this name, as Buildbot makes it: the name, if it may be one of a step.
#[must_use]
pub(crate) fn slug_of(name: &str) -> String {
    if check_step_name(name).is_ok() {
        return name.to_owned();
    }
    let legal = |(at, c): (usize, char)| {
        let is_legal =
            c.is_ascii_alphabetic() || matches!(c, '_' | '-') || (at > 0 && c.is_ascii_digit());
        if is_legal { c } else { '_' }
    };
    name.chars().take(MAX_SLUG).enumerate().map(legal).collect()
}

/// The first free slug: the slug itself, else followed by `_1`, `_2`, …; one that ends so already
/// is counted on. `is_taken` tells whether the step already has a log of that slug.
pub(crate) fn free_slug(slug: String, is_taken: impl Fn(&str) -> bool) -> String {
    let mut slug = slug;
    while is_taken(&slug) {
        slug = next_slug(&slug);
    }
    slug
}

fn next_slug(slug: &str) -> String {
    let number = |digits: &str| {
        let are_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| are_digits)
    };
    let counted = slug.rsplit_once('_');
    let counted = counted.and_then(|(base, digits)| Some((base, number(digits)?)));
    let (base, next) = counted.map_or((slug, 1), |(base, n)| (base, n.saturating_add(1)));
    let suffix = format!("_{next}");
    // The suffix is ASCII, so its bytes are its characters.
    let kept = MAX_SLUG.saturating_sub(suffix.len());
    base.chars().take(kept).collect::<String>() + &suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_as_buildbot_makes_them() {
        for (name, slug) in [
            ("stdio", "stdio"),
            ("a.b_c-9", "a.b_c-9"),
            ("ü", "ü"),
            ("build log.txt", "build_log_txt"),
            ("9x", "_x"),
            ("ü ö", "___"),
            ("/var/log", "_var_log"),
        ] {
            assert_eq!(slug_of(name), slug, "{name}");
        }
        assert_eq!(slug_of(&"x".repeat(60)), "x".repeat(50));
    }

    #[test]
    fn a_taken_slug_is_counted_on() {
        let taken = |slugs: &'static [&'static str]| move |s: &str| slugs.contains(&s);
        assert_eq!(free_slug("x".into(), taken(&[])), "x");
        assert_eq!(free_slug("x".into(), taken(&["x"])), "x_1");
        assert_eq!(free_slug("x".into(), taken(&["x", "x_1"])), "x_2");
        assert_eq!(free_slug("x_9".into(), taken(&["x_9"])), "x_10");
        assert_eq!(free_slug("x_y".into(), taken(&["x_y"])), "x_y_1");
        let long = "é".repeat(50);
        let free = free_slug(long.clone(), |s| s == long);
        assert_eq!(free, format!("{}_1", "é".repeat(48)));
    }

    #[test]
    fn types_and_streams_come_back() {
        for of_type in [
            LogType::Stdio,
            LogType::Text,
            LogType::Html,
            LogType::Deleted,
        ] {
            assert_eq!(LogType::from_letter(of_type.letter()), of_type);
        }
        assert_eq!(LogType::from_letter("?"), LogType::Text);
        for stream in [LogStream::Stdout, LogStream::Stderr, LogStream::Header] {
            assert_eq!(LogStream::from_character(stream.character()), Some(stream));
        }
        assert_eq!(LogStream::from_character('x'), None);
    }

    #[test]
    fn names_keep_the_rule() {
        assert!(check_log_name("a log").is_ok());
        for bad in [String::new(), "x".repeat(256), "nul\0".to_owned()] {
            assert!(check_log_name(&bad).is_err(), "{bad}");
        }
    }
}
