//! A change as a line: eight fields between tabs, none of them empty.

use std::borrow::Cow;

use crate::watch::board::BoardChange;

/// What stands for a field that a change does not have.
const NONE: &str = "-";

/// The line of a change, without its end.
pub(crate) fn line(change: &BoardChange) -> String {
    let (number, name) = match &change.step {
        Some((number, name)) => (number.to_string(), name.as_str()),
        None => (NONE.to_owned(), NONE),
    };
    let fields = [
        &*change.at,
        &change.builder,
        &change.number.to_string(),
        &number,
        name,
        &change.kind,
        change.results.as_deref().unwrap_or(NONE),
        &change.state,
    ];
    let fields = fields.map(|field| match field {
        "" => Cow::Borrowed(NONE),
        field => escape(field),
    });
    fields.join("\t")
}

/// A text without characters that a terminal would obey, or that would end a line or a field: they
/// are written as in Rust, such as `\n` and `\u{1b}`.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Control characters, and those that break lines or turn the direction of text.
pub(crate) fn is_unsafe(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> BoardChange {
        BoardChange {
            at: "2026-11-22T06:16:00Z".to_owned(),
            builder: "linux gcc".to_owned(),
            number: 12,
            step: Some((0, "compile".to_owned())),
            kind: "FINISHED".to_owned(),
            complete: true,
            results: Some("SUCCESS".to_owned()),
            state: "compiled 'a\\b' é".to_owned(),
        }
    }

    #[test]
    fn lines_have_eight_fields() {
        let step = line(&change());
        let expected =
            "2026-11-22T06:16:00Z\tlinux gcc\t12\t0\tcompile\tFINISHED\tSUCCESS\tcompiled 'a\\b' é";
        assert_eq!(step, expected);
        let (builder, state) = ("a\tb\n".to_owned(), String::new());
        let build = BoardChange {
            step: None,
            results: None,
            builder,
            state,
            ..change()
        };
        let expected = "2026-11-22T06:16:00Z\ta\\tb\\n\t12\t-\t-\tFINISHED\t-\t-";
        assert_eq!(line(&build), expected);
    }

    #[test]
    fn no_character_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(
            escape("\u{1b}[31m\r\u{7f}\u{9b}\u{202e}"),
            r"\u{1b}[31m\r\u{7f}\u{9b}\u{202e}"
        );
        for c in (0..=0x10_ffff)
            .filter_map(char::from_u32)
            .filter(|c| c.is_control())
        {
            assert!(!escape(&c.to_string()).contains(c), "{c:?}");
        }
    }
}
