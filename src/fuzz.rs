//! The fuzz targets' functions, for tests and for fuzzing alone: each takes any bytes and panics
//! where a promise is broken. `scripts/fuzz` searches for such bytes; the test below tries those in
//! `fuzz/corpus`.

pub use crate::{
    domain::{
        fuzz::page_cursor,
        log_text::fuzz::{log_chunk, log_search},
    },
    feed::fuzz::event_cursor,
    graphql::fuzz::{document::document, execution::execution, node_id, scalar},
    http::{
        rest::fuzz::{byte_range, path, query},
        websocket::fuzz::session,
    },
};

#[cfg(test)]
type Target = (&'static str, fn(&[u8]));

/// Every target by the name of its file and of its corpus.
#[cfg(test)]
const TARGETS: [Target; 12] = [
    ("byte_range", byte_range),
    ("document", document),
    ("event_cursor", event_cursor),
    ("execution", execution),
    ("log_chunk", log_chunk),
    ("log_search", log_search),
    ("node_id", node_id),
    ("page_cursor", page_cursor),
    ("path", path),
    ("query", query),
    ("scalar", scalar),
    ("session", session),
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use crate::fuzz::TARGETS;

    #[test]
    fn what_is_known_to_be_odd_breaks_nothing() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        for (name, target) in TARGETS {
            assert!(
                fuzz.join(format!("fuzz_targets/{name}.rs")).exists(),
                "{name}"
            );
            let files = fs::read_dir(fuzz.join("corpus").join(name)).expect(name);
            let mut tried = 0;
            for file in files {
                let file = file.expect("a file").path();
                eprintln!("{}", file.display());
                target(&fs::read(&file).expect("readable"));
                tried += 1;
            }
            assert!(tried > 5, "{name}: {tried}");
        }
    }
}
