//! The house rules of ARCHITECTURE.md, read from the files: who may import whom, where a library
//! may be called, how long files and lines are, and how things are named.
//!
//! Each test fails with a list of breaches.

use std::{
    fs,
    path::{Path, PathBuf},
};

use modules::Sources;

mod blocks;
mod files;
mod layers;
mod libraries;
mod links;
mod modules;
mod names;
mod parser;
mod prose;
mod resolve;
mod rings;
mod sizes;
mod tokens;
mod use_line;

/// Folders of build output and of others' work.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files of an extension below a folder of the repository, by their paths below that folder.
fn read_files(folder: &str, extension: &str) -> Sources {
    let folder = root().join(folder);
    let mut files = Sources::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !is_skipped(&path) {
                folders.push(path);
            } else if path.is_file() && path.extension().is_some_and(|e| e == extension) {
                let name = path.strip_prefix(&folder).unwrap();
                let name = name.to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn is_skipped(folder: &Path) -> bool {
    let name = folder.file_name().unwrap().to_str().unwrap();
    SKIPPED.contains(&name) || name.starts_with(".venv")
}

/// The source of the server.
fn src() -> Sources {
    let files = read_files("src", "rs");
    assert!(files.len() > 50, "few files were read: {}", files.len());
    files
}

/// The module of the crate's root that a file is in.
fn top_module(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.trim_end_matches(".rs")
}

/// Fails with the breaches, if there are any.
fn assert_none(breaches: &[String]) {
    let count = breaches.len();
    assert!(count == 0, "{count} breaches:\n{}", breaches.join("\n"));
}
