//! What each file says and is called, and that files form no ring.

use std::{collections::BTreeSet, fs};

use super::{
    assert_none, read_files,
    rings::{describe, file_graph, file_links, rings},
    root, src, top_module,
};

/// The GraphQL objects whose fields lead to each other, in `src/graphql/schema/`.
const OBJECTS: [&str; 6] = ["builder", "build", "step", "log", "node", "connection"];

fn is_object(file: &str) -> bool {
    let name = file.strip_prefix("graphql/schema/");
    name.is_some_and(|name| OBJECTS.contains(&name.trim_end_matches(".rs")))
}

#[test]
fn files_form_no_ring() {
    let links = file_links(&src());
    let graph = file_graph(&links);
    let edges: usize = graph.values().map(BTreeSet::len).sum();
    assert!(edges > 100, "the imports were not read: {edges}");
    let mut found = rings(&graph);
    found.retain(|ring| !ring.iter().all(|file| is_object(file)));
    let breaches: Vec<_> = found.iter().map(|ring| describe(ring, &links)).collect();
    assert_none(&breaches);
}

#[test]
fn every_file_says_what_it_owns() {
    let mut breaches = src();
    breaches.retain(|_, text| !text.starts_with("//!"));
    let breach = |file| format!("{file} does not open with //!");
    assert_none(&breaches.into_keys().map(breach).collect::<Vec<_>>());
}

/// A module with children is `x.rs` beside `x/`.
#[test]
fn no_mod_rs() {
    let mut breaches = Vec::new();
    for folder in ["src", "tests/it", "benches", "migration", "fuzz"] {
        let files = read_files(folder, "rs").into_keys();
        let named = files.filter(|file| file.split('/').next_back() == Some("mod.rs"));
        breaches.extend(named.map(|file| format!("{folder}/{file}")));
    }
    assert_none(&breaches);
}

#[test]
fn architecture_names_every_module() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named = named_modules(&text);
    let sources = src();
    let mut modules: BTreeSet<_> = sources.keys().map(|file| top_module(file)).collect();
    // The crate's root is no module of its own: it lists them.
    modules.remove("lib");
    let missing = modules
        .into_iter()
        .filter(|module| !named.contains(*module));
    let breach = |module| format!("ARCHITECTURE.md does not name src/{module}");
    assert_none(&missing.map(breach).collect::<Vec<_>>());
}

/// The words in code, and those before `.rs` or `/` elsewhere.
fn named_modules(text: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut named = BTreeSet::new();
    for (n, part) in text.split('`').enumerate() {
        let mut rest = part;
        while let Some(start) = rest.find(is_word) {
            let end = rest[start..]
                .find(|c| !is_word(c))
                .map_or(rest.len(), |n| start + n);
            let word = &rest[start..end];
            rest = &rest[end..];
            if n % 2 == 1 || rest.starts_with(".rs") || rest.starts_with('/') {
                named.insert(word);
            }
        }
    }
    named
}

#[test]
fn modules_are_named_as_code() {
    let text = "The server is `log`, cli.rs and http/.\n```\nstore  the only SQL\n```\nNot config.";
    let named: Vec<_> = named_modules(text).into_iter().collect();
    assert_eq!(named, ["SQL", "cli", "http", "log", "only", "store", "the"]);
}
