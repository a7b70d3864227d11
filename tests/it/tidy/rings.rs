//! Rings in a graph: names that lead back to themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    links::{Link, links},
    modules::Sources,
};

/// Names, and the names that each leads to.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The rings of a graph: its strongly connected components of more than one name.
///
/// The search is Tarjan's.
pub(super) fn rings(graph: &Graph) -> Vec<BTreeSet<String>> {
    let mut search = Search {
        graph,
        numbers: BTreeMap::new(),
        stack: Vec::new(),
        rings: Vec::new(),
    };
    for name in graph.keys() {
        if !search.numbers.contains_key(name.as_str()) {
            search.visit(name);
        }
    }
    search.rings
}

struct Search<'a> {
    graph: &'a Graph,
    /// The order in which the names were visited.
    numbers: BTreeMap<&'a str, usize>,
    /// The names visited that are in no component yet.
    stack: Vec<&'a str>,
    rings: Vec<BTreeSet<String>>,
}

impl<'a> Search<'a> {
    /// Visits a name and all that it leads to.
    ///
    /// Returns the lowest number on the stack that can be reached.
    fn visit(&mut self, name: &'a str) -> usize {
        let number = self.numbers.len();
        self.numbers.insert(name, number);
        self.stack.push(name);
        let mut lowest = number;
        for next in self.graph.get(name).into_iter().flatten() {
            if !self.numbers.contains_key(next.as_str()) {
                lowest = lowest.min(self.visit(next));
            } else if self.stack.contains(&next.as_str()) {
                lowest = lowest.min(self.numbers[next.as_str()]);
            }
        }
        if lowest == number {
            self.take_component(name);
        }
        lowest
    }

    fn take_component(&mut self, name: &str) {
        let start = self.stack.iter().position(|other| *other == name);
        let start = start.expect("the name was put on the stack");
        let ring: BTreeSet<_> = self.stack.drain(start..).map(str::to_owned).collect();
        if ring.len() > 1 {
            self.rings.push(ring);
        }
    }
}

/// Whether a file is test code of the fuzz targets.
pub(super) fn is_fuzz(file: &str) -> bool {
    let mut parts = file.trim_end_matches(".rs").split('/');
    parts.any(|part| part == "fuzz")
}

/// The imports that make one file depend on another.
pub(super) fn file_links(sources: &Sources) -> Vec<Link> {
    let mut all = links(sources);
    all.retain(|link| !link.is_test && !link.is_reexport && !is_fuzz(&link.from));
    all
}

pub(super) fn file_graph(links: &[Link]) -> Graph {
    let mut graph = Graph::new();
    for link in links {
        let targets = link.targets.iter().filter(|target| **target != link.from);
        graph
            .entry(link.from.clone())
            .or_default()
            .extend(targets.cloned());
    }
    graph
}

/// Names a ring, and the imports that tie it.
pub(super) fn describe(ring: &BTreeSet<String>, links: &[Link]) -> String {
    let files: Vec<_> = ring.iter().map(String::as_str).collect();
    let mut report = vec![format!("{} files: {}", files.len(), files.join(", "))];
    for from in ring {
        for target in ring.iter().filter(|target| *target != from) {
            let own = links.iter().filter(|link| link.from == *from);
            let ties: Vec<_> = own.filter(|link| link.targets.contains(target)).collect();
            if let Some(first) = ties.iter().map(|link| link.line).min() {
                let paths: BTreeSet<_> = ties.iter().map(|link| link.written.as_str()).collect();
                let paths = paths.into_iter().collect::<Vec<_>>().join(", ");
                report.push(format!("    {from}:{first} imports {target}: {paths}"));
            }
        }
    }
    report.join("\n")
}

mod tests;
