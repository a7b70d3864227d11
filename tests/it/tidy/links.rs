//! What each file imports: every `use` and every qualified path, and the files that define it.

use std::collections::BTreeSet;

use super::{
    modules::{Import, Module, Segments, Sources},
    parser::read_modules,
    resolve::{Target, Tree, root_module},
};

/// One import of a file, by a `use` line or by a path in code.
pub(super) struct Link {
    pub(super) from: String,
    pub(super) line: usize,
    pub(super) written: String,
    /// The module of the crate's root that the path names.
    pub(super) named: Option<String>,
    /// The files that define what is imported.
    pub(super) targets: BTreeSet<String>,
    pub(super) is_test: bool,
    /// Whether a parent only passes on what its child defines.
    pub(super) is_reexport: bool,
}

/// Finds all imports within a tree.
pub(super) fn links(sources: &Sources) -> Vec<Link> {
    let tree = Tree::new(read_modules(sources));
    let of = |module| tree.links_of(module);
    tree.modules.iter().flat_map(of).collect()
}

impl Tree {
    fn links_of(&self, module: &Module) -> Vec<Link> {
        let link = |path: &Segments, line, is_test, targets| Link {
            from: module.file.clone(),
            line,
            written: path.join("::"),
            named: root_module(module, path),
            targets,
            is_test,
            is_reexport: false,
        };
        let mut links = Vec::new();
        for import in &module.imports {
            let targets = self.import_targets(module, import);
            links.push(Link {
                is_reexport: self.is_reexport(module, import),
                ..link(&import.path, import.line, import.is_test, targets)
            });
        }
        for mention in &module.mentions {
            let targets = match self.resolve(module, &mention.path) {
                Target::Outside => BTreeSet::new(),
                Target::Module(path) => self.file(&path),
                Target::Item { file, .. } => BTreeSet::from([file]),
            };
            links.push(link(&mention.path, mention.line, mention.is_test, targets));
        }
        links
    }

    /// The files that an import needs. A module counts by the paths that start with it, if any do.
    fn import_targets(&self, module: &Module, import: &Import) -> BTreeSet<String> {
        match (self.resolve(module, &import.path), &import.name) {
            (Target::Outside, _) => BTreeSet::new(),
            (Target::Item { file, .. }, _) => BTreeSet::from([file]),
            (Target::Module(path), None) => self.glob_targets(module, &path),
            (Target::Module(path), Some(name)) => {
                let mentions = module.mentions.iter().map(|mention| &mention.path);
                let imports = module.imports.iter().map(|other| &other.path);
                let imports = imports.filter(|path| path.len() > 1);
                let is_prefix = mentions.chain(imports).any(|path| path[0] == *name);
                if is_prefix {
                    BTreeSet::new()
                } else {
                    self.file(&path)
                }
            }
        }
    }

    /// The files that define the names which a module uses from all of another's.
    fn glob_targets(&self, module: &Module, path: &Segments) -> BTreeSet<String> {
        let Some(other) = self.module(path) else {
            return BTreeSet::new();
        };
        let mut files = BTreeSet::new();
        for word in &module.words {
            if let Some(Target::Item { file, .. }) = self.find(other, word) {
                files.insert(file);
            }
        }
        if files.is_empty() {
            files.insert(other.file.clone());
        }
        files
    }

    /// Whether a parent imports what is its child's only to pass it on.
    fn is_reexport(&self, module: &Module, import: &Import) -> bool {
        let is_child = match self.resolve(module, &import.path) {
            Target::Outside => false,
            Target::Module(path) | Target::Item { module: path, .. } => {
                path.starts_with(&module.path)
            }
        };
        let is_used = match &import.name {
            Some(name) => module.words.contains(name),
            None => false,
        };
        import.is_public && is_child && !is_used
    }
}
