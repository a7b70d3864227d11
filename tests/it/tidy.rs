//! The house rules of ARCHITECTURE.md, read from the code: who may import whom, and where a library may be called.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The layers, lowest first; a module may use those of its own line and of the lines above.
const LAYERS: [&[&str]; 11] = [
    &["model", "config", "clock", "metrics", "log"],
    &["error"],
    &["store"],
    &["feed"],
    &["app", "auth", "rates"],
    &["service"],
    &["graphql", "rest"],
    &["http"],
    &["demo"],
    &["cli"],
    &["fuzz"],
];

/// Which modules may name a library.
const LIBRARIES: [(&str, &[&str]); 5] = [
    ("sea_orm", &["store", "model"]),
    ("async_graphql", &["graphql", "http"]),
    ("axum", &["rest", "http"]),
    ("clap", &["config", "cli", "main"]),
    ("jsonwebtoken", &["auth"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// The module of `src/` that a file belongs to, and its text.
fn modules() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&src)
        .into_iter()
        .map(|path| {
            let inner = path.strip_prefix(&src).unwrap();
            let first = inner
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_str()
                .unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (module, path, text)
        })
        .collect()
}

/// The modules named after `crate::` in a text, in groups too.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut word) = (0, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            found.push(word);
        } else {
            found.push(rest.to_owned());
        }
    }
    let name = |text: &String| {
        text.trim()
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap()
            .to_owned()
    };
    found.iter().map(name).filter(|n| !n.is_empty()).collect()
}

fn level(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn imports_look_down_only() {
    let mut breaches = Vec::new();
    let mut seen = 0;
    for (module, path, text) in modules() {
        let Some(own) = level(&module) else {
            assert!(
                ["main", "lib"].contains(&module.as_str()),
                "{module} has no layer"
            );
            continue;
        };
        for import in imports(&text) {
            let Some(other) = level(&import) else {
                continue;
            };
            seen += 1;
            let sideways =
                ["graphql", "rest"].contains(&module.as_str()) && other == own && import != module;
            if other > own || sideways {
                breaches.push(format!("{}: {module} imports {import}", path.display()));
            }
        }
    }
    assert!(seen > 50, "the imports were not read: {seen}");
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn libraries_stay_in_their_layers() {
    let mut breaches = Vec::new();
    for (module, path, text) in modules() {
        for (library, homes) in LIBRARIES {
            let named = text.contains(&format!("{library}::"));
            if named && !homes.contains(&module.as_str()) {
                breaches.push(format!("{}: {module} names {library}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn every_file_says_what_it_owns() {
    for (_, path, text) in modules() {
        let doc = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        assert!(doc >= 1, "{} does not open with //!", path.display());
    }
}
