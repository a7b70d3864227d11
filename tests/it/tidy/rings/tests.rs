//! The ring finder on made-up trees.

use std::collections::BTreeSet;

use super::super::modules::Sources;
use super::{Graph, describe, file_graph, file_links, rings};

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let own = |(file, text): &(&str, &str)| ((*file).to_owned(), (*text).to_owned());
    let mut sources: Sources = files.iter().map(own).collect();
    sources.entry("lib.rs".to_owned()).or_default();
    let links = file_links(&sources);
    let rings = rings(&file_graph(&links));
    rings.iter().map(|ring| describe(ring, &links)).collect()
}

/// Checks that a tree has one ring, of these files.
fn assert_ring(files: &[(&str, &str)], expected: &str) {
    let found = found(files);
    let names: Vec<_> = found
        .iter()
        .map(|ring| ring.lines().next().unwrap())
        .collect();
    assert_eq!(names, [expected], "{found:#?}");
}

#[test]
fn components_of_a_graph() {
    let edges = [
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("c", "d"),
        ("d", "e"),
        ("f", "f"),
    ];
    let more = [("g", "h"), ("h", "g"), ("g", "a"), ("e", "x")];
    let mut graph = Graph::new();
    for (from, to) in edges.iter().chain(&more) {
        graph
            .entry((*from).to_owned())
            .or_default()
            .insert((*to).to_owned());
    }
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|n| (*n).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(rings(&graph), [set(&["a", "b", "c"]), set(&["g", "h"])]);
}

#[test]
fn a_ring_by_use_lines() {
    let files = [
        (
            "a.rs",
            "use std::fmt; use crate::{b::{self, Inner as Other}, c};",
        ),
        (
            "b.rs",
            "pub struct Inner; use super::c::deep::{self, Deep};",
        ),
        ("c.rs", "pub mod deep;"),
        ("c/deep.rs", "pub struct Deep(crate::b::Inner);"),
    ];
    assert_ring(&files, "2 files: b.rs, c/deep.rs");
}

#[test]
fn a_ring_by_a_path_in_code() {
    let files = [
        ("a.rs", "pub mod x; pub mod y;"),
        ("a/x.rs", "pub fn go() { super::y::come(Vec::<u8>::new()) }"),
        (
            "a/y.rs",
            "pub fn come(_: Vec<u8>) -> Option<crate::a::x::Gone> { None }",
        ),
    ];
    assert_ring(&files, "2 files: a/x.rs, a/y.rs");
}

/// A module imported as a whole counts by what is taken out of it.
#[test]
fn a_ring_by_a_path_after_an_imported_module() {
    let files = [
        (
            "a.rs",
            "use crate::b as other; fn go() { other::deep::run() }",
        ),
        ("b.rs", "pub mod deep;"),
        ("b/deep.rs", "pub fn run() { crate::a::go() }"),
    ];
    assert_ring(&files, "2 files: a.rs, b/deep.rs");
}

#[test]
fn a_ring_by_a_path_in_an_attribute() {
    let files = [
        (
            "a.rs",
            "pub struct A { #[serde(with = \"crate::b::form\")] time: u8 }",
        ),
        ("b.rs", "pub fn form() { crate::a::A; }"),
    ];
    assert_ring(&files, "2 files: a.rs, b.rs");
}

#[test]
fn a_ring_by_a_reexport() {
    let files = [
        ("a.rs", "mod x; mod y; pub(crate) use x::X; pub use y::*;"),
        ("a/x.rs", "use super::Y; pub struct X(Y);"),
        (
            "a/y.rs",
            "pub struct Y; impl Y { fn x() -> crate::a::X {} }",
        ),
    ];
    assert_ring(&files, "2 files: a/x.rs, a/y.rs");
}

#[test]
fn a_ring_by_globs() {
    let files = [
        ("a.rs", "use crate::b::*; pub struct A(B);"),
        (
            "b.rs",
            "mod inner { use super::*; use crate::a::*; type Both = (A, B); } pub struct B;",
        ),
    ];
    assert_ring(&files, "2 files: a.rs, b.rs");
}

#[test]
fn a_ring_of_a_parent_that_uses_its_child() {
    let files = [
        (
            "a.rs",
            "mod x; pub use x::X; pub const DAY: u8 = 1; fn make() -> X {}",
        ),
        ("a/x.rs", "pub struct X; fn f() -> u8 { super::DAY }"),
    ];
    assert_ring(&files, "2 files: a.rs, a/x.rs");
}

#[test]
fn a_ring_in_a_tree_with_mod_rs() {
    let files = [
        ("a/mod.rs", "pub mod x; pub struct A; fn f() { x::g() }"),
        ("a/x.rs", "pub fn g() -> super::A {}"),
    ];
    assert_ring(&files, "2 files: a/mod.rs, a/x.rs");
}

/// Nothing is tied by a parent that passes on its children's names, by tests, fuzz targets and
/// comments, or by other crates.
#[test]
fn no_ring() {
    let files = [
        ("lib.rs", "pub mod a; pub mod b; pub mod fuzz; pub mod url;"),
        (
            "a.rs",
            "//! Uses [`crate::b`].\nmod x; mod y; pub use x::X; pub const DAY: u8 = 1;",
        ),
        (
            "a/x.rs",
            "use super::{DAY, HashMap}; pub(in crate::b) struct X; // crate::a::y\n",
        ),
        (
            "a/y.rs",
            "use crate::a::X; #[cfg(test)] mod tests { use super::*; use crate::b::B; }",
        ),
        ("a/fuzz.rs", "use crate::b::B;"),
        (
            "b.rs",
            "use crate::{a::X, url::Own}; pub struct B(X, ::a::y::Y);\n#[cfg(test)] use crate::c::C;",
        ),
        (
            "c.rs",
            "use crate::b::B; pub struct C(B); const TEXT: &str = \"see crate::d\";",
        ),
        ("d.rs", "use crate::c::C; pub struct D;"),
        ("url.rs", "use url::{Url, B}; pub struct Own(Url);"),
    ];
    assert_eq!(found(&files), Vec::<String>::new());
}
