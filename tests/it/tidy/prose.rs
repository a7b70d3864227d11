//! Prose ends where a reader's window does.

use super::{assert_none, read_files, tokens::lex};

/// The most characters of a line of Markdown, and of a comment with its indent.
const MARKDOWN: usize = 120;
const COMMENT: usize = 100;

/// Where the rule for comments holds.
const CODE: [&str; 4] = ["src", "tests/it", "migration/src", "benches"];

/// The GraphQL API's docs are in the schema as they are: a new line here is a new line there.
const SCHEMA: &str = "src/graphql/schema/";

/// Whether a line is over a limit. A URL alone on its line cannot be broken.
fn is_long(line: &str, limit: usize) -> bool {
    let marks =
        |word: &&str| ["//", "///", "//!", "-", "*", ">"].contains(word) || word.ends_with("]:");
    let words: Vec<_> = line.split_whitespace().skip_while(marks).collect();
    let is_url = words.len() == 1 && words[0].contains("://");
    line.chars().count() > limit && !is_url
}

/// The lines of a Markdown file that are too long, outside of code and tables.
fn long_lines(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (n, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            is_code = !is_code;
        } else if !is_code && !start.starts_with('|') && is_long(line, MARKDOWN) {
            found.push(n + 1);
        }
    }
    found
}

/// The comments of a source file that are too long.
fn long_comments(file: &str, text: &str) -> Vec<usize> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = lex(text).comments;
    found.retain(|n| {
        let line = lines[n - 1];
        let is_output = file.starts_with(SCHEMA) && line.trim_start().starts_with("/// ");
        !is_output && is_long(line, COMMENT)
    });
    found
}

#[test]
fn prose_fits() {
    let mut breaches = Vec::new();
    for (file, text) in read_files("", "md") {
        let long = long_lines(&text);
        breaches.extend(
            long.iter()
                .map(|n| format!("{file}:{n} is over {MARKDOWN}")),
        );
    }
    for folder in CODE {
        for (file, text) in read_files(folder, "rs") {
            let file = format!("{folder}/{file}");
            let long = long_comments(&file, &text);
            breaches.extend(long.iter().map(|n| format!("{file}:{n} is over {COMMENT}")));
        }
    }
    assert_none(&breaches);
}

#[test]
fn long_lines_are_found() {
    let long = "äb ".repeat(41);
    let url = format!("[1]: https://example.org/{}", "x".repeat(120));
    let text = format!(
        "{long}\n{url}\n```\n{long}\n```\n| {long}\nSee {url}\n{}",
        "ä".repeat(120)
    );
    assert_eq!(long_lines(&text), [1, 7]);
}

#[test]
fn long_comments_are_found() {
    let long = "ab ".repeat(34);
    let text = format!("//! {long}\n/// {long}\nlet a = \"\n// {long}\"; // {long}\n// short\n");
    assert_eq!(long_comments("src/store.rs", &text), [1, 2]);
    assert_eq!(long_comments("src/graphql/schema/step.rs", &text), [1]);
}
