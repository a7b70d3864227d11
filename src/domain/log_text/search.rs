//! Which lines of a chunk match: those with a text, or that a regular expression finds something
//! in. The time is linear in the length of the text, whatever is asked for.

use regex::bytes::{Regex, RegexBuilder};

use crate::domain::{
    invalid_argument::InvalidArgument,
    log::{LogStream, LogType},
    log_text::lines::{StoredLine, split_stream, stored_lines},
};

/// The longest text or expression, in bytes.
const MAX_PATTERN: usize = 1_000;
/// How many bytes an expression may take when it is compiled, and what it remembers while it runs.
const MAX_COMPILED: usize = 1 << 20;

/// What is searched for. Exactly one of the two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchArgs<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) regex: Option<&'a str>,
    pub(crate) ignore_case: bool,
    /// `None` is any.
    pub(crate) streams: Option<&'a [LogStream]>,
}

/// Tells which lines match. A clone is cheap, and can search at the same time.
#[derive(Clone, Debug)]
pub(crate) struct LineMatcher {
    regex: Regex,
    /// What is found lies within one line, so that a whole chunk can be searched at once.
    is_within_line: bool,
    streams: Option<Vec<LogStream>>,
}

impl LineMatcher {
    /// What tells the lines that match.
    ///
    /// # Errors
    /// The rule that an argument breaks.
    pub(crate) fn new(args: SearchArgs<'_>) -> Result<Self, InvalidArgument> {
        let (argument, pattern, is_text) = match (args.text, args.regex) {
            (Some(text), None) => ("text", text, true),
            (None, Some(regex)) => ("regex", regex, false),
            _ => {
                let rule = "give either text or regex, and not both";
                return Err(InvalidArgument::new("text", rule));
            }
        };
        if pattern.is_empty() || pattern.len() > MAX_PATTERN {
            let rule = format!("1 to {MAX_PATTERN} bytes, got {}", pattern.len());
            return Err(InvalidArgument::new(argument, rule));
        }
        let escaped = is_text.then(|| regex::escape(pattern));
        let built = RegexBuilder::new(escaped.as_deref().unwrap_or(pattern))
            .case_insensitive(args.ignore_case)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build();
        let regex = built.map_err(|error| InvalidArgument::new(argument, reason(&error)))?;
        Ok(Self {
            regex,
            is_within_line: is_text && !pattern.contains('\n'),
            streams: args.streams.map(Into::into),
        })
    }

    /// The lines of a chunk that match, in order, from the number `from` on.
    pub(crate) fn lines_of<'c>(
        &self,
        log_type: LogType,
        (first_line, last_line): (i32, i32),
        text: &'c [u8],
        from: i32,
    ) -> Vec<StoredLine<'c>> {
        if self.is_within_line && !self.regex.is_match(text) {
            return Vec::new();
        }
        let lines = stored_lines(first_line, last_line, text);
        let lines = lines.skip_while(|(number, _)| *number < from);
        lines
            .filter(|(_, stored)| self.matches(log_type, stored))
            .collect()
    }

    fn matches(&self, log_type: LogType, stored: &[u8]) -> bool {
        let (stream, text) = split_stream(log_type, stored);
        let streams = self.streams.as_ref();
        streams.is_none_or(|streams| streams.contains(&stream)) && self.regex.is_match(text)
    }
}

/// Why an expression is refused, in one line.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(max) => {
            format!("an expression that takes no more than {max} bytes when it is compiled")
        }
        error => {
            // The library draws the place on lines of their own; the last line says what is wrong.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: SearchArgs<'static> = SearchArgs {
        text: None,
        regex: None,
        ignore_case: false,
        streams: None,
    };
    const NONE: [i32; 0] = [];
    const CHUNK: &[u8] = b"hmake all\noCC a.o\neerror: No such file\noerr\xff\nodone\r";

    fn text(text: &str) -> SearchArgs<'_> {
        SearchArgs {
            text: Some(text),
            ..ANY
        }
    }

    fn regex(regex: &str) -> SearchArgs<'_> {
        SearchArgs {
            regex: Some(regex),
            ..ANY
        }
    }

    /// The numbers of the lines that match, of a chunk that begins with line 10.
    fn found(args: SearchArgs<'_>, from: i32) -> Vec<i32> {
        let matcher = LineMatcher::new(args).expect("a matcher");
        let lines = matcher.lines_of(LogType::Stdio, (10, 14), CHUNK, from);
        lines.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_text_is_found_where_it_stands() {
        assert_eq!(found(text("err"), 0), [12, 13]);
        assert_eq!(found(text("err"), 13), [13]);
        assert_eq!(found(text("err"), 15), NONE);
        assert_eq!(found(text("no such"), 0), NONE);
        assert_eq!(found(text("a.o"), 0), [11]);
        assert_eq!(found(text("a..o"), 0), NONE, "it is no expression");
        // The characters of streams and ends of lines are no part of the text.
        assert_eq!(found(text("oCC"), 0), NONE);
        assert_eq!(found(text("\n"), 0), NONE);
        assert_eq!(found(text("done\r"), 0), NONE);
    }

    #[test]
    fn case_is_ignored_in_any_alphabet() {
        let ignoring = |args| SearchArgs {
            ignore_case: true,
            ..args
        };
        assert_eq!(found(ignoring(text("no SUCH")), 0), [12]);
        assert_eq!(found(ignoring(regex("^ERR")), 0), [12, 13]);
        let matcher = LineMatcher::new(ignoring(text("GRÖSSE"))).expect("a matcher");
        let lines = matcher.lines_of(LogType::Text, (0, 0), "größe grösse".as_bytes(), 0);
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn an_expression_sees_one_line_at_a_time() {
        assert_eq!(found(regex("^(make|done)"), 0), [10, 14]);
        assert_eq!(found(regex("done$"), 0), [14]);
        assert_eq!(found(regex(r"a\.o\s+error"), 0), NONE);
        assert_eq!(found(regex("(?i)cc|ERR"), 0), [11, 12, 13]);
    }

    #[test]
    fn streams_are_told_apart() {
        let of = |streams| SearchArgs {
            streams: Some(streams),
            ..regex(".")
        };
        assert_eq!(found(of(&[LogStream::Stderr]), 0), [12]);
        assert_eq!(
            found(of(&[LogStream::Header, LogStream::Stderr]), 0),
            [10, 12]
        );
        assert_eq!(found(of(&[]), 0), NONE);
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused() {
        let both = SearchArgs {
            text: Some("x"),
            ..regex("x")
        };
        let long = "x".repeat(1_001);
        for bad in [
            ANY,
            both,
            text(""),
            text(&long),
            regex("("),
            regex("x{1000}{1000}"),
        ] {
            let refused = LineMatcher::new(bad).expect_err("a rule is broken");
            assert!(!refused.reason.contains('\n'), "{}", refused.reason);
        }
    }
}
