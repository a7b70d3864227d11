//! One name means one type.

use std::collections::BTreeMap;

use super::{assert_none, modules::Sources, parser::read_modules, rings::is_fuzz, src};

/// The names that sea-orm has each table's module give, in `src/store/`.
const TABLES: [&str; 6] = [
    "Model",
    "Relation",
    "Entity",
    "ActiveModel",
    "Column",
    "PrimaryKey",
];

/// The types of the GraphQL contract that are called as the value of `src/domain/` behind them is.
const CONTRACT: [(&str, &str); 6] = [
    ("EventKind", "the enum of what an event was"),
    ("LogStream", "the enum of where a line of a log comes from"),
    ("LogType", "the enum of what a log's lines are"),
    (
        "NameOrNumber",
        "the argument that finds a builder by either",
    ),
    ("Results", "the enum of how a build or a step ended"),
    ("Url", "the object of a step's link"),
];

/// Whether a name may be given to a type in each of these files.
fn may_share(name: &str, files: &[&str]) -> bool {
    let are_tables = files.iter().all(|file| file.starts_with("store/"));
    let is_contract = CONTRACT.iter().any(|(shared, _)| *shared == name);
    match files {
        [_] => true,
        [value, object] if is_contract => {
            value.starts_with("domain/") && object.starts_with("graphql/schema/")
        }
        _ => TABLES.contains(&name) && are_tables,
    }
}

/// The types of a tree outside of tests, and where each name is defined.
fn definitions(sources: &Sources) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut found: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for module in read_modules(sources) {
        let types = module.types.into_iter().filter(|name| !name.is_test);
        for name in types.filter(|_| !is_fuzz(&module.file)) {
            let files = found.entry(name.name).or_default();
            files.insert(module.file.clone(), name.line);
        }
    }
    found
}

#[test]
fn no_name_twice() {
    let found = definitions(&src());
    assert!(
        found.len() > 100,
        "the types were not read: {}",
        found.len()
    );
    let mut breaches = Vec::new();
    for (name, files) in found {
        let at: Vec<_> = files
            .iter()
            .map(|(file, line)| format!("{file}:{line}"))
            .collect();
        let files: Vec<_> = files.keys().map(String::as_str).collect();
        if !may_share(&name, &files) {
            breaches.push(format!("{name} is defined in {}", at.join(", ")));
        }
        if name.contains("Place") {
            breaches.push(format!("{name} says Place, in {}", at.join(", ")));
        }
    }
    assert_none(&breaches);
}

#[test]
fn types_are_found() {
    let text = "struct A<T>(T); pub(crate) enum B { X } trait C { type Hidden; } type D = A<B>;
        impl C for B { type Hidden = u8; } fn f() { struct E; } mod inner { enum F {} }
        #[cfg(test)] #[expect(x, reason = \"y\")] mod tests { struct G; } struct H;";
    let file = |name: &str| (name.to_owned(), text.to_owned());
    let found = definitions(&Sources::from([
        file("a.rs"),
        file("b.rs"),
        file("fuzz/c.rs"),
    ]));
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["A", "B", "C", "D", "E", "F", "H"]);
    assert_eq!(found["A"].len(), 2);
}

#[test]
fn shared_names_have_a_home() {
    let tables = ["store/build.rs", "store/step.rs"];
    assert!(may_share("Model", &tables) && !may_share("Change", &tables));
    assert!(!may_share("Model", &["feed/tail.rs", "store/step.rs"]));
    let contract = ["domain/url.rs", "graphql/schema/step.rs"];
    assert!(may_share("Url", &contract) && !may_share("Step", &contract));
    assert!(!may_share("Url", &["domain/url.rs", "http/rest/view.rs"]));
}
