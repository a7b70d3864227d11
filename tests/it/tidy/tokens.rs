//! A lexer of Rust source: the tokens that name things, and the lines that are comments.

/// One word, `::` or other character, and the line that it stands on.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// The parts of a source file, without the contents of its comments.
#[derive(Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// The lines that are a `//` comment and nothing else, counted from one.
    pub(super) comments: Vec<usize>,
}

/// Splits a source file into tokens.
///
/// A string literal becomes one `"` token, unless it is a path such as `"crate::store::token"`,
/// which attributes hold: that becomes the tokens of the path.
pub(super) fn lex(source: &str) -> Lexed {
    let mut lexer = Lexer {
        chars: source.chars().collect(),
        at: 0,
        line: 1,
        lexed: Lexed::default(),
    };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.lexed
}

/// Whether a character can be part of an identifier.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    lexed: Lexed,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn push(&mut self, text: &str) {
        let token = Token {
            text: text.to_owned(),
            line: self.line,
        };
        self.lexed.tokens.push(token);
    }

    /// Moves on by some characters, counting the lines that they end.
    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            self.line += usize::from(self.peek(0) == '\n');
            self.at += 1;
        }
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.character_or_lifetime(),
            (':', ':') => {
                self.push("::");
                self.advance(2);
            }
            (c, _) if is_word(c) => self.word(),
            (c, _) => {
                if !c.is_whitespace() {
                    self.push(&c.to_string());
                }
                self.advance(1);
            }
        }
    }

    fn line_comment(&mut self) {
        if self
            .lexed
            .tokens
            .last()
            .is_none_or(|token| token.line < self.line)
        {
            self.lexed.comments.push(self.line);
        }
        while !['\n', '\0'].contains(&self.peek(0)) {
            self.advance(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.advance(1);
                    continue;
                }
            }
            self.advance(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.advance(1);
        let mut text = String::new();
        while !['"', '\0'].contains(&self.peek(0)) {
            text.push(self.peek(0));
            self.advance(if self.peek(0) == '\\' { 2 } else { 1 });
        }
        self.literal(&text);
        self.advance(1);
    }

    /// Reads on after `r`, `br` or `cr`, at the quotation mark or the hashes before it.
    fn raw_string(&mut self, hashes: usize) {
        self.advance(hashes + 1);
        let mut end = vec!['"'];
        end.extend(vec!['#'; hashes]);
        while self.at < self.chars.len() && !self.chars[self.at..].starts_with(&end) {
            self.advance(1);
        }
        self.literal("");
        self.advance(end.len());
    }

    /// Pushes what a string literal counts as.
    fn literal(&mut self, text: &str) {
        let is_path = text.chars().all(|c| is_word(c) || c == ':');
        let starts = ["crate::", "self::", "super::"];
        if !is_path || !starts.iter().any(|s| text.starts_with(s)) {
            return self.push("\"");
        }
        for (n, segment) in text.split("::").enumerate() {
            if n > 0 {
                self.push("::");
            }
            self.push(segment);
        }
    }

    fn character_or_lifetime(&mut self) {
        self.advance(1);
        if self.peek(0) == '\\' {
            self.advance(2);
            while !['\'', '\0'].contains(&self.peek(0)) {
                self.advance(1);
            }
            self.advance(1);
        } else if self.peek(1) == '\'' {
            self.advance(2);
        } else {
            while is_word(self.peek(0)) {
                self.advance(1);
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect();
        if !["r", "br", "cr"].contains(&word.as_str()) {
            return self.push(&word);
        }
        let hashes = self.chars[self.at..]
            .iter()
            .take_while(|c| **c == '#')
            .count();
        if self.peek(hashes) == '"' {
            self.raw_string(hashes);
        } else if hashes == 1 {
            // A raw identifier such as `r#type` is no keyword.
            self.at += 1;
            self.word();
        } else {
            self.push(&word);
        }
    }
}

mod tests;
