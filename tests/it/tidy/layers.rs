//! Modules import only from the layers below them.

use std::collections::BTreeSet;

use super::{
    assert_none,
    links::{Link, links},
    modules::Sources,
    rings::{Graph, rings},
    src, top_module,
};

/// The layers, lowest first; a module may use those of the lines above its own.
const LAYERS: [&[&str]; 11] = [
    &["config", "domain", "metrics", "memory", "log", "clock"],
    &["store"],
    &["feed"],
    &["auth", "rate_limit"],
    &["app", "deadline"],
    &["service"],
    &["graphql"],
    &["http"],
    &["server", "demo", "watch"],
    &["cli"],
    &["main", "lib", "fuzz", "testing"],
];

/// What may be imported from the same line: the values at the bottom use each other, the limits
/// need to know who is calling, and what is above all is a set of entrances.
const SIDEWAYS: [(&[&str], &[&str]); 3] = [
    (LAYERS[0], LAYERS[0]),
    (&["rate_limit"], &["auth"]),
    (LAYERS[10], LAYERS[10]),
];

fn level(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn may_import(module: &str, other: &str) -> bool {
    let sideways = |(from, to): &(&[&str], &[&str])| from.contains(&module) && to.contains(&other);
    module == other || level(other) < level(module) || SIDEWAYS.iter().any(sideways)
}

/// The modules that an import names or leads to.
fn imported(link: &Link) -> BTreeSet<&str> {
    let targets = link.targets.iter().map(|file| top_module(file));
    let named = link.named.as_deref().filter(|name| level(name).is_some());
    targets.chain(named).collect()
}

/// The imports of a tree that do not look down, and how many imports it has.
fn upward(sources: &Sources) -> (Vec<String>, usize) {
    let mut breaches = Vec::new();
    let mut seen = 0;
    for link in links(sources) {
        let module = top_module(&link.from);
        for other in imported(&link) {
            seen += 1;
            if !may_import(module, other) && level(module).is_some() {
                let Link {
                    from,
                    line,
                    written,
                    ..
                } = &link;
                breaches.push(format!(
                    "{from}:{line}: {module} imports {other} by {written}"
                ));
            }
        }
    }
    (breaches, seen)
}

#[test]
fn every_module_has_a_layer() {
    let sources = src();
    let modules: BTreeSet<_> = sources.keys().map(|file| top_module(file)).collect();
    let unknown = modules.iter().filter(|module| level(module).is_none());
    assert_none(
        &unknown
            .map(|module| format!("{module} has none"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn imports_look_down_only() {
    let (breaches, seen) = upward(&src());
    assert!(seen > 200, "the imports were not read: {seen}");
    assert_none(&breaches);
}

/// The modules of the lowest layer may use each other, but not in a circle.
#[test]
fn values_form_no_ring() {
    let mut graph = Graph::new();
    for link in links(&src()).iter().filter(|link| !link.is_test) {
        let module = top_module(&link.from);
        let others = imported(link);
        let others = others.into_iter().filter(|other| LAYERS[0].contains(other));
        if LAYERS[0].contains(&module) {
            let others = others.map(str::to_owned);
            graph.entry(module.to_owned()).or_default().extend(others);
        }
    }
    let breaches = rings(&graph);
    assert!(breaches.is_empty(), "{breaches:?}");
}

#[test]
fn layers_are_compared() {
    assert!(may_import("store", "domain") && may_import("domain", "config"));
    assert!(may_import("rate_limit", "auth") && !may_import("auth", "rate_limit"));
    assert!(!may_import("store", "feed") && !may_import("server", "demo"));
    assert!(!may_import("cli", "testing") && may_import("fuzz", "http"));
}

/// Tests count too, and so does a module that only passes on what a lower one defines.
#[test]
fn imports_that_look_up_are_found() {
    let file = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    let sources = Sources::from(
        [
            (
                "lib.rs",
                "pub mod domain; pub mod store; pub mod feed; pub mod http;",
            ),
            (
                "domain.rs",
                "pub struct D; pub fn f() {\n crate::feed::wake() }",
            ),
            (
                "store.rs",
                "use crate::domain::D;\nuse crate::{http::D as Same, domain};",
            ),
            (
                "feed.rs",
                "pub fn wake() {} #[cfg(test)] mod tests {\n use super::super::http; }",
            ),
            (
                "http.rs",
                "pub use crate::domain::D; use crate::{feed, store::*};",
            ),
            ("main.rs", "use buildbot_graphql::http;"),
        ]
        .map(file),
    );
    let expected = [
        "domain.rs:2: domain imports feed by crate::feed::wake",
        "feed.rs:2: feed imports http by super::super::http",
        "store.rs:2: store imports http by crate::http::D",
    ];
    assert_eq!(upward(&sources).0, expected);
}
