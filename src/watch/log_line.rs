//! A line of a log for a terminal: its colours are kept, and nothing else that a terminal obeys.

use crate::watch::line::is_unsafe;

/// The line with its colours and tabs; any other control character is written as in Rust.
pub(crate) fn log_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = colour_length(rest).unwrap_or(c.len_utf8());
        let (head, tail) = rest.split_at(length);
        if length > c.len_utf8() || c == '\t' || !is_unsafe(c) {
            shown.push_str(head);
        } else {
            shown.extend(c.escape_default());
        }
        rest = tail;
    }
    shown
}

/// The length of the sequence for a colour that a text begins with, in bytes.
fn colour_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    let is_colour = parameters.as_bytes().get(end) == Some(&b'm');
    is_colour.then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_kept_and_what_else_a_terminal_obeys_is_not() {
        for kept in [
            "plain\ttext ✓",
            "\u{1b}[1;32mgreen\u{1b}[m",
            "\u{1b}[38:5:9mred",
        ] {
            assert_eq!(log_line(kept), kept);
        }
        assert_eq!(log_line("\u{1b}[2Jx"), "\\u{1b}[2Jx");
        assert_eq!(log_line("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(log_line("10%\r20%\u{1b}["), "10%\\r20%\\u{1b}[");
    }
}
