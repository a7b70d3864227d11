//! What is known of each module of a source tree: what it defines, imports and mentions.

use std::collections::{BTreeMap, HashSet};

/// Files by their paths below `src/`, and their texts.
pub(super) type Sources = BTreeMap<String, String>;

/// The segments of a path: of a module from the crate's root, or as they are written.
pub(super) type Segments = Vec<String>;

/// A `use` of one name or, without a name, of all names.
pub(super) struct Import {
    pub(super) path: Segments,
    pub(super) name: Option<String>,
    pub(super) is_public: bool,
    pub(super) is_test: bool,
    pub(super) line: usize,
}

/// A qualified path in code.
pub(super) struct Mention {
    pub(super) path: Segments,
    pub(super) is_test: bool,
    pub(super) line: usize,
}

/// A struct, enum, trait or type alias.
pub(super) struct TypeName {
    pub(super) name: String,
    pub(super) is_test: bool,
    pub(super) line: usize,
}

/// A module, a file's own or one inside of it.
pub(super) struct Module {
    pub(super) path: Segments,
    pub(super) file: String,
    pub(super) imports: Vec<Import>,
    pub(super) mentions: Vec<Mention>,
    pub(super) types: Vec<TypeName>,
    /// The names that the module's items have.
    pub(super) items: HashSet<String>,
    /// All words outside of `use` lines.
    pub(super) words: HashSet<String>,
}

impl Module {
    pub(super) fn new(path: Segments, file: &str) -> Self {
        Self {
            path,
            file: file.to_owned(),
            imports: Vec::new(),
            mentions: Vec::new(),
            types: Vec::new(),
            items: HashSet::new(),
            words: HashSet::new(),
        }
    }
}

/// The module that a file holds: `a/b.rs` and `a/b/mod.rs` are `a::b`, `lib.rs` is the root.
pub(super) fn module_of(file: &str) -> Segments {
    let stem = file.trim_end_matches(".rs");
    let mut path: Segments = stem.split('/').map(str::to_owned).collect();
    if stem == "lib" || path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}
