//! Lines and columns of a document's text.

use apollo_compiler::parser::SourceSpan;
use async_graphql::Pos;

/// Finds the line and the column of an offset, both from 1.
#[derive(Debug)]
pub(crate) struct Positions {
    text: String,
    /// The offset of each line's start, in bytes.
    lines: Vec<usize>,
    /// Whether a column is as many bytes as characters from its line's start.
    is_ascii: bool,
}

impl Positions {
    pub(crate) fn of(text: String) -> Self {
        let bytes = text.as_bytes();
        let ends_line = |&(at, byte): &(usize, &u8)| {
            // A carriage return with a line feed is one line's end, at the line feed.
            *byte == b'\n' || *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')
        };
        let ends = bytes.iter().enumerate().filter(ends_line);
        let starts = ends.map(|(at, _)| at + 1);
        Self {
            lines: std::iter::once(0).chain(starts).collect(),
            is_ascii: text.is_ascii(),
            text,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The position of an offset in bytes.
    pub(crate) fn at(&self, offset: usize) -> Pos {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        let column = if self.is_ascii {
            offset - start
        } else {
            let before = self.text.get(start..offset);
            before.map_or(0, |before| before.chars().count())
        };
        Pos {
            line,
            column: column + 1,
        }
    }

    /// The position of a node's start; that of the text for a node that stands nowhere.
    pub(crate) fn start(&self, span: Option<SourceSpan>) -> Pos {
        self.at(span.map_or(0, |span| span.offset()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_the_specification_says_and_columns_are_characters() {
        let positions = Positions::of("a\nb\r\nc\rd\u{e4}\u{1f600}e".to_owned());
        for (offset, line, column) in [
            (0, 1, 1),
            (2, 2, 1),
            (3, 2, 2),
            (5, 3, 1),
            (7, 4, 1),
            (8, 4, 2),
            (10, 4, 3),
            (14, 4, 4),
        ] {
            assert_eq!(positions.at(offset), Pos { line, column }, "{offset}");
        }
    }
}
