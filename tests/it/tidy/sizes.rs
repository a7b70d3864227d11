//! Files and texts are short.

use std::fs;

use super::{assert_none, root, src};

/// The most lines of a file in `src/`, and the lines that half of them stay under.
const LONGEST: usize = 400;
const MEDIAN: usize = 120;

#[test]
fn sizes() {
    let sources = src();
    let lines = |text: &String| text.lines().count();
    let long = sources.iter().filter(|(_, text)| lines(text) > LONGEST);
    let breach = |(file, text)| format!("{file} has {} lines, over {LONGEST}", lines(text));
    let mut breaches: Vec<_> = long.map(breach).collect();
    let mut all: Vec<_> = sources.values().map(lines).collect();
    all.sort_unstable();
    let median = all[all.len() / 2];
    if median >= MEDIAN {
        breaches.push(format!(
            "half of the files have {median} lines or more, not under {MEDIAN}"
        ));
    }
    assert_none(&breaches);
}

#[test]
fn architecture_is_short() {
    let read = |name| fs::read_to_string(root().join(name)).unwrap();
    let words = read("ARCHITECTURE.md").split_whitespace().count();
    let lines = read("README.md").lines().count();
    assert!(
        words <= 1_200,
        "ARCHITECTURE.md has {words} words, over 1200"
    );
    assert!(lines <= 200, "README.md has {lines} lines, over 200");
}
