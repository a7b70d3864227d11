//! Reads `use` lines.

use super::{modules::Segments, tokens::Token};

/// One path of a `use` line, and the name that it gets; all names have none.
pub(super) struct Binding {
    pub(super) path: Segments,
    pub(super) name: Option<String>,
    pub(super) line: usize,
}

/// Reads the line whose `use` is before a token; returns its bindings and where it ends.
pub(super) fn use_line(tokens: &[Token], at: usize) -> (Vec<Binding>, usize) {
    let mut line = UseLine {
        tokens,
        at,
        bindings: Vec::new(),
    };
    line.branch(Vec::new());
    (line.bindings, line.at)
}

struct UseLine<'a> {
    tokens: &'a [Token],
    at: usize,
    bindings: Vec<Binding>,
}

impl UseLine<'_> {
    fn text(&self) -> &str {
        self.tokens.get(self.at).map_or("", |token| &token.text)
    }

    /// Reads one branch: segments up to a name, a `*` or a group.
    fn branch(&mut self, mut path: Segments) {
        while let Some(Token { text, line }) = self.tokens.get(self.at).cloned() {
            self.at += 1;
            match text.as_str() {
                "{" => return self.group(&path),
                "*" => return self.bind(path, None, line),
                // A leading `::` stays in the path, which starts outside of the crate.
                "::" if !path.is_empty() => {}
                "::" => path.push(text),
                _ => {
                    path.push(text);
                    if self.text() != "::" {
                        return self.name(path, line);
                    }
                }
            }
        }
    }

    fn group(&mut self, path: &Segments) {
        while !["}", ""].contains(&self.text()) {
            if self.text() == "," {
                self.at += 1;
            } else {
                self.branch(path.clone());
            }
        }
        self.at += 1;
    }

    /// Binds the last segment, or what follows `as`.
    fn name(&mut self, mut path: Segments, line: usize) {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned();
        if self.text() == "as" {
            self.at += 1;
            name = Some(self.text().to_owned());
            self.at += 1;
        }
        self.bind(path, name, line);
    }

    fn bind(&mut self, path: Segments, name: Option<String>, line: usize) {
        self.bindings.push(Binding { path, name, line });
    }
}
