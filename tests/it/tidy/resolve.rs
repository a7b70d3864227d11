//! Resolves paths as the compiler does: to a module, or to the file that defines an item.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Module, Segments};

/// The name that `main.rs` calls the library by.
const CRATE: &str = "buildbot_graphql";

/// How many imports of imports are followed: names may be imported in a circle.
const DEPTH: usize = 16;

/// What a path leads to.
pub(super) enum Target {
    Module(Segments),
    Item { file: String, module: Segments },
    Outside,
}

pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
    index: BTreeMap<Segments, usize>,
}

impl Tree {
    pub(super) fn new(modules: Vec<Module>) -> Self {
        let index = modules.iter().enumerate();
        let index = index.map(|(n, module)| (module.path.clone(), n)).collect();
        Self { modules, index }
    }

    pub(super) fn module(&self, path: &Segments) -> Option<&Module> {
        self.index.get(path).map(|n| &self.modules[*n])
    }

    /// The file of a module, if there is such a module.
    pub(super) fn file(&self, path: &Segments) -> BTreeSet<String> {
        self.module(path)
            .map(|m| m.file.clone())
            .into_iter()
            .collect()
    }

    /// Follows a path, written in a module, to what it names.
    pub(super) fn resolve(&self, module: &Module, path: &[String]) -> Target {
        self.resolve_in(module, path, DEPTH)
    }

    fn resolve_in(&self, module: &Module, path: &[String], depth: usize) -> Target {
        let (mut target, rest) = if let Some(absolute) = absolute(module, path) {
            (Target::Module(Vec::new()), absolute)
        } else {
            let first = self.find_in(module, &path[0], depth);
            (first.unwrap_or(Target::Outside), path[1..].to_vec())
        };
        for segment in rest {
            let Target::Module(path) = target else {
                return target;
            };
            let Some(at) = self.module(&path) else {
                return Target::Outside;
            };
            let item = || Target::Item {
                file: at.file.clone(),
                module: path.clone(),
            };
            target = self.find_in(at, &segment, depth).unwrap_or_else(item);
        }
        target
    }

    /// Looks up a name in a module: a child, an item, an import, or what a glob brings in.
    pub(super) fn find(&self, module: &Module, name: &str) -> Option<Target> {
        self.find_in(module, name, DEPTH)
    }

    fn find_in(&self, module: &Module, name: &str, depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let mut child = module.path.clone();
        child.push(name.to_owned());
        if self.index.contains_key(&child) {
            return Some(Target::Module(child));
        }
        if module.items.contains(name) {
            return Some(Target::Item {
                file: module.file.clone(),
                module: module.path.clone(),
            });
        }
        let imports = module.imports.iter();
        let named = imports.filter(|import| import.name.as_deref() == Some(name));
        let mut targets = named.map(|import| self.resolve_in(module, &import.path, depth));
        targets
            .next()
            .or_else(|| self.find_in_globs(module, name, depth))
    }

    fn find_in_globs(&self, module: &Module, name: &str, depth: usize) -> Option<Target> {
        let globs = module.imports.iter().filter(|import| import.name.is_none());
        globs.into_iter().find_map(|import| {
            let Target::Module(path) = self.resolve_in(module, &import.path, depth) else {
                return None;
            };
            self.find_in(self.module(&path)?, name, depth)
        })
    }
}

/// A path from the crate's root, where it starts with `crate`, `self` or `super`.
fn absolute(module: &Module, path: &[String]) -> Option<Segments> {
    match path[0].as_str() {
        "crate" | CRATE => return Some(path[1..].to_vec()),
        "self" | "super" => {}
        _ => return None,
    }
    let mut base = module.path.clone();
    let mut rest = path;
    while let Some(word) = rest
        .first()
        .filter(|word| ["self", "super"].contains(&word.as_str()))
    {
        if word == "super" {
            base.pop();
        }
        rest = &rest[1..];
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// The module of the crate's root that a path starting with `crate`, `self` or `super` names.
pub(super) fn root_module(module: &Module, path: &[String]) -> Option<String> {
    absolute(module, path)?.into_iter().next()
}
