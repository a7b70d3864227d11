//! Measures a document's text before it is parsed, in one pass that neither recurses nor allocates: its bytes, its
//! tokens, and how deep its brackets nest. A parser that met too much of any would spend time or stack on it.

use async_graphql::{Pos, ServerError};

use crate::{config::limit::LimitConfig, graphql::execute::errors};

/// What a text is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LexicalSize {
    pub(crate) tokens: u64,
    /// The most brackets that are open at once.
    nesting: u64,
}

/// Says how large a document is, if it is not too large.
pub(crate) fn scan(text: &str, limits: &LimitConfig) -> Result<LexicalSize, ServerError> {
    let bytes = text.len() as u64;
    if bytes > limits.max_document_bytes {
        let (limit, max) = ("max-document-bytes", limits.max_document_bytes);
        let advice = "send less in one document, and values as variables";
        return Err(errors::limit(limit, max, bytes, "bytes", advice, &[]));
    }
    let mut scan = Lexer {
        text: text.as_bytes(),
        at: 0,
        size: LexicalSize {
            tokens: 0,
            nesting: 0,
        },
        open: 0,
        // Where a limit is first passed, in bytes.
        token_over: None,
        bracket_over: None,
    };
    scan.run(limits)
        .map_err(|at| errors::parse_failed("a text that does not end", place(text, at)))?;
    let Lexer { size, .. } = scan;
    if let Some(at) = scan.token_over {
        let (limit, max) = ("max-tokens", limits.max_tokens);
        let advice = "send less in one document, and values as variables";
        let at = [place(text, at)];
        return Err(errors::limit(
            limit,
            max,
            size.tokens,
            "tokens",
            advice,
            &at,
        ));
    }
    if let Some(at) = scan.bracket_over {
        let (limit, max) = ("max-nesting", limits.max_nesting);
        let advice = "ask for less at once";
        let at = [place(text, at)];
        let what = "brackets in one another";
        return Err(errors::limit(limit, max, size.nesting, what, advice, &at));
    }
    Ok(size)
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    size: LexicalSize,
    open: u64,
    token_over: Option<usize>,
    bracket_over: Option<usize>,
}

impl Lexer<'_> {
    /// Goes to the end; where a text does not end, it fails with the place where that begins.
    fn run(&mut self, limits: &LimitConfig) -> Result<(), usize> {
        while let Some(byte) = self.text.get(self.at) {
            let begin = self.at;
            self.at += 1;
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
                b'#' => {
                    self.skip_while(|b| b != b'\n' && b != b'\r');
                    continue;
                }
                b'"' => self.skip_text(begin)?,
                b'{' | b'[' | b'(' => {
                    self.open += 1;
                    self.size.nesting = self.size.nesting.max(self.open);
                    if self.open > limits.max_nesting {
                        self.bracket_over.get_or_insert(begin);
                    }
                }
                b'}' | b']' | b')' => self.open = self.open.saturating_sub(1),
                b'.' => self.skip_while(|b| b == b'.'),
                b if is_word(*b) => self.skip_while(is_word),
                _ => {}
            }
            self.size.tokens += 1;
            if self.size.tokens > limits.max_tokens {
                self.token_over.get_or_insert(begin);
            }
        }
        Ok(())
    }

    fn skip_while(&mut self, is_more: impl Fn(u8) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|b| !is_more(*b)).unwrap_or(rest.len());
    }

    /// Skips a text whose first quote stands at `begin`.
    fn skip_text(&mut self, begin: usize) -> Result<(), usize> {
        if self.text[begin..].starts_with(br#"""""#) {
            self.at = begin + 3;
            while !self.text[self.at..].starts_with(br#"""""#) {
                let escaped = self.text[self.at..].starts_with(br#"\""""#);
                self.at += if escaped { 4 } else { 1 };
                if self.at >= self.text.len() {
                    return Err(begin);
                }
            }
            self.at += 3;
            return Ok(());
        }
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                None | Some(b'\n' | b'\r') => return Err(begin),
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }
}

/// Part of a name or a number.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The line and column of a byte, counted as the parser counts.
fn place(text: &str, at: usize) -> Pos {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Pos { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> (u64, u64) {
        let size = scan(text, &LimitConfig::of(&[])).expect("small enough");
        (size.tokens, size.nesting)
    }

    /// The flag of the limit that a text is beyond, and how much it has.
    fn over(text: &str, flags: &[&str]) -> Option<(String, u64)> {
        let error = scan(text, &LimitConfig::of(flags)).err()?;
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
            let error = scan(text, &LimitConfig::of(&[])).expect_err(text);
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
        let error = scan("{\n  \u{e4} b }", &LimitConfig::of(&["--max-tokens", "3"]));
        let error = error.expect_err("too many");
        assert_eq!(error.locations, [Pos { line: 2, column: 5 }]);
    }
}
