//! Measures a document's text before it is parsed, in one pass that neither recurses nor allocates:
//! its bytes, its tokens, and how deep its brackets nest. Too much of any would cost the parser
//! time or stack.

use async_graphql::ServerError;

use crate::{
    config::limit::LimitConfig,
    graphql::{execute::errors, prepare::positions::Positions},
};

/// Ignored wherever it stands.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The size of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LexicalSize {
    pub(crate) tokens: u64,
    /// The most brackets that are open at once.
    nesting: u64,
}

/// How many tokens a text has. Its strings end.
pub(crate) fn count_tokens(text: &str) -> u64 {
    let mut lexer = Lexer::new(text);
    let ended = lexer.run(u64::MAX, u64::MAX);
    debug_assert_eq!(ended, Ok(()), "{text}");
    lexer.size.tokens
}

/// Measures a document's text. Fails if it exceeds a limit or a string does not end.
pub(crate) fn check_lexical_limits(
    positions: &Positions,
    limits: &LimitConfig,
) -> Result<LexicalSize, ServerError> {
    let text = positions.text();
    let bytes = text.len() as u64;
    if bytes > limits.max_document_bytes {
        let (limit, max) = ("max-document-bytes", limits.max_document_bytes);
        let advice = "send less in one document, and values as variables";
        return Err(errors::limit(limit, max, bytes, "bytes", advice, &[]));
    }
    let mut lexer = Lexer::new(text);
    lexer
        .run(limits.max_tokens, limits.max_nesting)
        .map_err(|at| errors::parse_failed("a text that does not end", positions.at(at)))?;
    let size = lexer.size;
    if let Some(at) = lexer.tokens_passed_at {
        let (limit, max) = ("max-tokens", limits.max_tokens);
        let advice = "send less in one document, and values as variables";
        let at = [positions.at(at)];
        return Err(errors::limit(
            limit,
            max,
            size.tokens,
            "tokens",
            advice,
            &at,
        ));
    }
    if let Some(at) = lexer.nesting_passed_at {
        let (limit, max) = ("max-nesting", limits.max_nesting);
        let advice = "ask for less at once";
        let at = [positions.at(at)];
        let what = "brackets in one another";
        return Err(errors::limit(limit, max, size.nesting, what, advice, &at));
    }
    Ok(size)
}

/// Walks a text from token to token. All offsets are in bytes.
struct Lexer<'t> {
    text: &'t [u8],
    offset: usize,
    size: LexicalSize,
    open_brackets: u64,
    /// Where a limit is first exceeded.
    tokens_passed_at: Option<usize>,
    nesting_passed_at: Option<usize>,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text: text.as_bytes(),
            offset: 0,
            size: LexicalSize {
                tokens: 0,
                nesting: 0,
            },
            open_brackets: 0,
            tokens_passed_at: None,
            nesting_passed_at: None,
        }
    }

    /// Goes to the end of the text. Fails with the offset of a string that does not end.
    fn run(&mut self, max_tokens: u64, max_nesting: u64) -> Result<(), usize> {
        while let Some(byte) = self.text.get(self.offset) {
            let start = self.offset;
            self.offset += 1;
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
                b'#' => {
                    self.skip_while(|b| b != b'\n' && b != b'\r');
                    continue;
                }
                _ if self.text[start..].starts_with(BYTE_ORDER_MARK) => {
                    self.offset = start + BYTE_ORDER_MARK.len();
                    continue;
                }
                b'"' => self.skip_string(start)?,
                b'{' | b'[' | b'(' => {
                    self.open_brackets += 1;
                    self.size.nesting = self.size.nesting.max(self.open_brackets);
                    if self.open_brackets > max_nesting {
                        self.nesting_passed_at.get_or_insert(start);
                    }
                }
                b'}' | b']' | b')' => self.open_brackets = self.open_brackets.saturating_sub(1),
                b'.' => self.skip_while(|b| b == b'.'),
                b if is_word(*b) => self.skip_while(is_word),
                _ => {}
            }
            self.size.tokens += 1;
            if self.size.tokens > max_tokens {
                self.tokens_passed_at.get_or_insert(start);
            }
        }
        Ok(())
    }

    fn skip_while(&mut self, is_more: impl Fn(u8) -> bool) {
        let rest = &self.text[self.offset..];
        self.offset += rest.iter().position(|b| !is_more(*b)).unwrap_or(rest.len());
    }

    /// Skips a string whose first quote stands at `start`.
    fn skip_string(&mut self, start: usize) -> Result<(), usize> {
        if self.text[start..].starts_with(br#"""""#) {
            return self.skip_block_string(start);
        }
        loop {
            match self.text.get(self.offset) {
                Some(b'"') => break,
                None | Some(b'\n' | b'\r') => return Err(start),
                Some(b'\\') => self.offset += 2,
                Some(_) => self.offset += 1,
            }
        }
        self.offset += 1;
        Ok(())
    }

    /// Skips a string in three quotes.
    fn skip_block_string(&mut self, start: usize) -> Result<(), usize> {
        self.offset = start + 3;
        while !self.text[self.offset..].starts_with(br#"""""#) {
            let is_escaped = self.text[self.offset..].starts_with(br#"\""""#);
            self.offset += if is_escaped { 4 } else { 1 };
            if self.offset >= self.text.len() {
                return Err(start);
            }
        }
        self.offset += 3;
        Ok(())
    }
}

/// Whether the byte is part of a name or a number.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use async_graphql::Pos;

    use super::*;

    fn check(text: &str, flags: &[&str]) -> Result<LexicalSize, ServerError> {
        check_lexical_limits(&Positions::of(text.to_owned()), &LimitConfig::of(flags))
    }

    fn size(text: &str) -> (u64, u64) {
        let size = check(text, &[]).expect("small enough");
        (size.tokens, size.nesting)
    }

    /// The flag of the limit that a text is beyond, and how much it has.
    fn over(text: &str, flags: &[&str]) -> Option<(String, u64)> {
        let error = check(text, flags).err()?;
        let extensions = error.extensions.expect("a code");
        let limit = extensions.get("limit")?.clone().into_json().ok()?;
        let asked = extensions.get("asked")?.clone().into_json().ok()?;
        Some((limit.as_str()?.to_owned(), asked.as_u64()?))
    }

    #[test]
    fn tokens_are_counted_as_the_specification_counts_them() {
        for (text, expected) in [
            ("", (0, 0)),
            (" ,\n\t\r", (0, 0)),
            ("{ a }", (3, 1)),
            ("{a,b c:d}", (7, 1)),
            ("query Q($a: [Int!]! = [1, -2]) { ...F }", (21, 2)),
            ("# {{{ [[[\n{ a } # (((", (3, 1)),
            (r#"{ a(b: "{[(\" # \\") }"#, (8, 2)),
            (r#"{ a(b: "") }"#, (8, 2)),
            (r#"{ a(b: """ {[( " "" \""" {\n """) }"#, (8, 2)),
            ("{ \u{e4} }", (4, 1)),
            ("\u{feff}{ \u{feff}a }", (3, 1)),
            ("}}}", (3, 0)),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_ends_or_is_refused() {
        for text in [
            "\"",
            "{ a(b: \"x) }",
            "\"\"\" {{{",
            "\"\"\"",
            "\"\"\" \\\"\"\"",
            "\"x\n\"",
            "\"\\",
        ] {
            let error = check(text, &[]).expect_err(text);
            assert_eq!(error.message, "a text that does not end", "{text}");
        }
    }

    #[test]
    fn what_is_at_a_limit_passes_and_one_more_does_not() {
        for (flag, max, at, beyond) in [
            ("max-document-bytes", "5", "{ a }", "{ ab }"),
            ("max-tokens", "3", "{ a }", "{ a b }"),
            ("max-nesting", "2", "{ a { b } }", "{ a(b: [1]) }"),
        ] {
            let flags = [&format!("--{flag}"), max];
            assert_eq!(over(at, &flags), None);
            let asked = max.parse::<u64>().expect("a number") + 1;
            assert_eq!(over(beyond, &flags), Some((flag.to_owned(), asked)));
        }
    }

    #[test]
    fn where_it_is_too_much_is_said() {
        let error = check("{\n  \u{e4} b }", &["--max-tokens", "3"]);
        let error = error.expect_err("too many");
        assert_eq!(error.locations, [Pos { line: 2, column: 5 }]);
    }
}
