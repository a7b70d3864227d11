//! Each library is called in the layer that stands for it.

use super::{assert_none, rings::is_fuzz, src, tokens::lex};

/// The files and folders of `src/` that may name a library.
const LIBRARIES: [(&str, &[&str]); 6] = [
    // An id is stored as it is: its type derives what sea-orm needs.
    ("sea_orm", &["store", "domain/id"]),
    (
        "async_graphql",
        &["graphql", "http/graphql", "http/websocket"],
    ),
    ("axum", &["http"]),
    ("clap", &["config", "cli", "main"]),
    ("jsonwebtoken", &["auth"]),
    ("rusqlite", &["store"]),
];

/// Whether a file is a module or in its folder.
fn is_in(file: &str, module: &str) -> bool {
    let rest = file.strip_prefix(module);
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

#[test]
fn libraries_stay_in_their_layers() {
    let mut breaches = Vec::new();
    for (file, text) in src().into_iter().filter(|(file, _)| !is_fuzz(file)) {
        let tokens = lex(&text).tokens;
        for (library, homes) in LIBRARIES {
            let Some(token) = tokens.iter().find(|token| token.text == library) else {
                continue;
            };
            if !homes.iter().any(|home| is_in(&file, home)) {
                breaches.push(format!("{file}:{} names {library}", token.line));
            }
        }
    }
    assert_none(&breaches);
}

#[test]
fn homes_are_files_or_folders() {
    assert!(
        is_in("http/graphql.rs", "http/graphql") && is_in("http/graphql/sse.rs", "http/graphql")
    );
    assert!(!is_in("http/graphql_page.rs", "http/graphql") && !is_in("log.rs", "http"));
}
