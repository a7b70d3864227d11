//! The GraphQL types of a log's lines, and of those that a search finds.

use async_graphql::{Enum, Object};

use crate::{
    domain::{log, log_text::lines::NumberedLine},
    graphql::schema::{
        plain::{Plain, name_of, plain_leaf, plain_object},
        text::Text,
    },
    service::{log_lines::LinePage, log_search::MatchPage},
};

/// Where a line comes from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "log::LogStream")]
pub(crate) enum LogStream {
    /// The program's standard output; also every line of a log that is not of type STDIO.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// What Buildbot itself says about the program.
    Header,
}

/// A line of a log.
pub(crate) struct LogLine(pub(crate) NumberedLine);

/// Neighbouring lines of a log.
pub(crate) struct LogLines(pub(crate) LinePage);

/// Lines that a search has found.
pub(crate) struct LogMatches(pub(crate) MatchPage);

/// A line of a log.
#[Object]
impl LogLine {
    /// Its number within the log, from 0.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// Where it comes from.
    async fn stream(&self) -> LogStream {
        self.0.stream.into()
    }

    /// What it says, without its end; escape sequences of terminals are kept. What was stored and is not UTF-8 is U+FFFD.
    async fn text(&self) -> Text<&str> {
        Text(&self.0.text)
    }
}

/// Neighbouring lines of a log.
#[Object]
impl LogLines {
    /// The number of the first line that was asked for.
    async fn from(&self) -> i32 {
        self.0.from
    }

    /// Where to go on: the number of the next line. Null where the log ends here.
    async fn next(&self) -> Option<i32> {
        self.0.next
    }

    /// The lines, in order.
    async fn lines(&self) -> Plain<Vec<LogLine>> {
        log_lines(&self.0.lines)
    }
}

/// Lines that a search has found.
#[Object]
impl LogMatches {
    /// The lines, in order.
    async fn matches(&self) -> Plain<Vec<LogLine>> {
        log_lines(&self.0.matches)
    }

    /// Where to go on: the number of the first line that was not searched. Null where the log was searched to its end.
    async fn next(&self) -> Option<i32> {
        self.0.next
    }

    /// How many lines were searched for these.
    async fn searched_lines(&self) -> i32 {
        self.0.searched
    }
}

/// Lines as they are answered.
pub(crate) fn log_lines(lines: &[NumberedLine]) -> Plain<Vec<LogLine>> {
    Plain(lines.iter().cloned().map(LogLine).collect())
}

plain_leaf! {
    [] LogStream, |value, out| out.value(name_of(*value));
}

plain_object! {
    [] LogLine, {
        "number" => number,
        "stream" => stream,
        "text" => text,
    }
}

plain_object! {
    [] LogLines, {
        "from" => from,
        "next" => next,
        "lines" => lines: Vec<LogLine>,
    }
}

plain_object! {
    [] LogMatches, {
        "matches" => matches: Vec<LogLine>,
        "next" => next,
        "searchedLines" => searched_lines,
    }
}
