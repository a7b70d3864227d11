//! The man pages in `packaging/man` are what the commands say of themselves.

use std::{collections::BTreeMap, fs, path::Path};

use buildbot_graphql::testing::command_line;

/// Set to write the pages instead of comparing them.
const UPDATE: &str = "UPDATE_MAN_PAGES";

fn pages(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn man_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
    let dir = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(command_line(), dir.path()).unwrap();
    let mut wanted = pages(dir.path());
    // The command `help` says of itself what its name says.
    wanted.retain(|name, _| !name.contains("-help"));
    if std::env::var_os(UPDATE).is_some() {
        for name in pages(&folder).keys() {
            fs::remove_file(folder.join(name)).unwrap();
        }
        for (name, text) in &wanted {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let got = pages(&folder);
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&got), names(&wanted), "run it with {UPDATE}=1");
    for (name, text) in wanted {
        assert!(
            got[&name] == text,
            "{name} is old: run this test with {UPDATE}=1"
        );
    }
    let serve = &got["buildbot-graphql-serve.1"];
    assert!(serve.contains("\\-\\-listen") && serve.contains("BUILDBOT_GRAPHQL_LISTEN"));
    let migrate = &got["buildbot-graphql-migrate.1"];
    assert!(migrate.contains("database\\-url") && !migrate.contains("readers"));
}
