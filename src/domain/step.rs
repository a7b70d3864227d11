//! The rules for names of steps, how a text names one, and the arguments of a list of steps.

use crate::domain::filter::{Direction, Filter, Order, Test, Value};

/// The longest step name, in characters (`steps.name` is `VARCHAR(50)`).
pub(crate) const MAX_STEP_NAME: usize = 50;

/// The fields of a step that can be filtered or ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StepField {
    Stepid,
    Buildid,
    /// Of its build; null if there is no such build.
    Builderid,
    /// Of its build's builder; null if there is no such builder.
    BuilderName,
    Number,
    Name,
    StateString,
    StartedAt,
    LocksAcquiredAt,
    Complete,
    CompleteAt,
    Hidden,
    Results,
    Urls,
}

/// Whether a name may have the character: an ASCII letter, `_`, `-` or any from U+00A0 on, and
/// behind the first also an ASCII digit or `.`.
fn is_allowed(c: char, first: bool) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '_' | '-')
        || c >= '\u{a0}'
        || (!first && (c.is_ascii_digit() || c == '.'))
}

/// Checks the name of a new step.
///
/// # Errors
/// The rule that the name breaks, and the nearest name that would do.
pub(crate) fn check_step_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if length == 0 {
        return Err("a step name has 1 to 50 characters, got an empty one".into());
    }
    let legal = name.chars().enumerate().all(|(i, c)| is_allowed(c, i == 0));
    if length <= MAX_STEP_NAME && legal {
        return Ok(());
    }
    let rule = if legal {
        format!("a step name has 1 to 50 characters, got {length}")
    } else {
        "a step name starts with an ASCII letter, '_', '-' or a character from U+00A0 on, \
         and goes on with those, ASCII digits and '.'"
            .to_owned()
    };
    // Without escapes, so that it can be taken as it stands: a legal name has no quotes.
    Err(format!("{rule}; \"{}\" would do", nearest_name(name)))
}

/// The legal name that is nearest to this one: other characters become `_`, and a first one that is
/// legal further on gets a `_` before it.
fn nearest_name(name: &str) -> String {
    let is_misplaced = |c: char| is_allowed(c, false) && !is_allowed(c, true);
    let prefix = name.starts_with(is_misplaced).then_some('_');
    let legal = |c| if is_allowed(c, false) { c } else { '_' };
    let name = prefix.into_iter().chain(name.chars().map(legal));
    name.take(MAX_STEP_NAME).collect()
}

/// The first free name for a step: the name itself, else cut and followed by `_1`, `_2`, …, counted
/// in characters. `is_taken` tells whether the build already has a step of that name.
pub(crate) fn free_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(name) {
        return name.to_owned();
    }
    let mut n = 1_u64;
    loop {
        let suffix = format!("_{n}");
        // The suffix is ASCII, so its bytes are its characters.
        let kept = MAX_STEP_NAME - suffix.len();
        let candidate = name.chars().take(kept).collect::<String>() + &suffix;
        if !is_taken(&candidate) {
            return candidate;
        }
        n += 1;
    }
}

/// How a step of a build is named: by its number, or by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NameOrNumber {
    /// The step with this number.
    Number(i32),
    /// The step with exactly this name.
    Name(String),
}

impl NameOrNumber {
    /// Reads a text of ASCII digits as a number, any other as a name.
    ///
    /// # Errors
    /// A number beyond 32 bits, which no step has.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self::Name(text.to_owned()));
        }
        text.parse()
            .map(Self::Number)
            .map_err(|_| format!("a step number is at most {}, got {text}", i32::MAX))
    }

    /// The test that the step passes.
    #[must_use]
    pub(crate) fn test(&self) -> (StepField, Test) {
        match self {
            Self::Number(n) => (StepField::Number, Test::Eq(Value::Int((*n).into()))),
            Self::Name(name) => (StepField::Name, Test::Eq(Value::Text(name.clone()))),
        }
    }
}

/// Which steps of a build are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StepsArgs {
    pub(crate) filter: Filter<StepField>,
    pub(crate) order: Order<StepField>,
    /// The limit and the offset; `None` means all steps.
    pub(crate) range: Option<(u64, u64)>,
}

impl StepsArgs {
    /// All steps, in their usual order.
    #[must_use]
    pub(crate) fn all() -> Self {
        Self {
            filter: Filter::everything(),
            order: by_number(),
            range: None,
        }
    }
}

/// The order of a build's steps unless the caller says: by number.
#[must_use]
pub(crate) fn by_number() -> Order<StepField> {
    vec![
        (StepField::Number, Direction::Asc),
        (StepField::Stepid, Direction::Asc),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_rule() {
        for good in [
            "a",
            "_",
            "-",
            "-1",
            "a.b_c-9",
            "ü",
            "日本語",
            "🙂x1",
            &"é".repeat(50),
        ] {
            assert_eq!(check_step_name(good), Ok(()), "{good}");
        }
        for (bad, offer) in [
            ("has space", "\"has_space\""),
            ("9x", "\"_9x\""),
            ("1test", "\"_1test\""),
            (".x", "\"_.x\""),
            (" x", "\"_x\""),
            ("a b\u{a0}e\u{301}", "\"a_b\u{a0}e\u{301}\""),
            ("日本 語", "\"日本_語\""),
            ("42", "\"_42\""),
            ("nul\0", "\"nul_\""),
        ] {
            let reason = check_step_name(bad).expect_err(bad);
            assert!(reason.contains(offer), "{reason}");
        }
        let long = check_step_name(&"x".repeat(51)).expect_err("51 characters");
        assert!(long.contains("got 51"), "{long}");
        assert!(check_step_name("").is_err());
    }

    #[test]
    fn suffixes_are_counted_in_characters() {
        let taken = |names: &'static [&'static str]| move |n: &str| names.contains(&n);
        assert_eq!(free_name("x", taken(&[])), "x");
        assert_eq!(free_name("x", taken(&["x"])), "x_1");
        assert_eq!(free_name("x_1", taken(&["x", "x_1"])), "x_1_1");
        assert_eq!(free_name("x", taken(&["x", "x_1", "x_3"])), "x_2");
        let long = "é".repeat(50);
        assert_eq!(
            free_name(&long, |n| n == long),
            format!("{}_1", "é".repeat(48))
        );
        let ten = free_name(&long, |n| n.chars().rev().nth(1) == Some('_') || n == long);
        assert_eq!(ten, format!("{}_10", "é".repeat(47)));
    }

    #[test]
    fn digits_are_a_number_and_all_else_a_name() {
        let parse = NameOrNumber::parse;
        assert_eq!(parse("007"), Ok(NameOrNumber::Number(7)));
        assert_eq!(parse("-1"), Ok(NameOrNumber::Name("-1".into())));
        assert_eq!(parse("٣"), Ok(NameOrNumber::Name("٣".into())));
        assert_eq!(parse(""), Ok(NameOrNumber::Name(String::new())));
        assert!(parse("99999999999").is_err());
    }
}
