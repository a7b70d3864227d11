//! Fuzzes the preparation of documents: an operation has one canonical form, whether its fragments
//! are named or written out, and that form is plain.

use std::sync::LazyLock;

use apollo_compiler::{
    Node,
    ast::{self, Definition, InlineFragment, Selection},
    parser::Parser,
};
use async_graphql::parser::types::{self as library, OperationDefinition};
use serde_json::{Map, Value as Json};

use crate::{
    config::limit::LimitConfig,
    graphql::{
        prepare::canonical_text::canonical_text,
        prepare::{
            canonical::lower,
            cost::measure_cost,
            document::Document,
            fragments::{Fragments, fragments_of},
            testing::{WITHOUT_LIMITS, types},
            variables::{Variables, coerce_variables},
        },
    },
};

/// Low limits, so that a small document can exceed them.
const FLAGS: [&str; 8] = [
    "--max-nesting",
    "12",
    "--max-fields",
    "60",
    "--max-depth",
    "6",
    "--max-directives",
    "8",
];
/// How many object types the interface with the most of them has.
const OBJECTS_OF_AN_INTERFACE: u64 = 3;

/// Prepares a document and its variables: `data` is the text, then optionally a NUL and JSON.
///
/// # Panics
/// If an error says nothing, a canonical operation is not plain or beyond a limit, or another one
/// than that of the same document with its fragments written out.
pub fn document(data: &[u8]) {
    static LIMITS: LazyLock<LimitConfig> = LazyLock::new(|| LimitConfig::of(&FLAGS));
    let mut parts = data.splitn(2, |byte| *byte == 0).map(str::from_utf8);
    let (Some(Ok(text)), variables) = (parts.next(), parts.next()) else {
        return;
    };
    let document = match Document::read(text.to_owned(), types(), &LIMITS) {
        Ok(document) => document,
        Err(errors) => {
            let says_something = |error: &async_graphql::ServerError| {
                !error.message.is_empty() && error.extensions.is_some()
            };
            assert!(
                !errors.is_empty() && errors.iter().all(says_something),
                "{errors:?}"
            );
            return;
        }
    };
    let variables = variables.and_then(Result::ok).unwrap_or_default();
    let given: Map<String, Json> = serde_json::from_str(variables).unwrap_or_default();
    let written_out = write_out_fragments(text);
    let other = Document::read(
        written_out.clone(),
        types(),
        &LimitConfig::of(&WITHOUT_LIMITS),
    );
    let other = other.unwrap_or_else(|errors| panic!("{errors:?}: {written_out}"));
    for operation in document.executable.operations.iter() {
        let name = operation.name.as_deref();
        let [Some(one), Some(same)] =
            [&document, &other].map(|document| canonical(document, name, &given))
        else {
            continue;
        };
        assert_plain(&one.selection_set.node, &LIMITS);
        assert_eq!(canonical_text(&one), canonical_text(&same), "{written_out}");
        let cost = |operation| measure_cost(operation, types(), &LIMITS).ok();
        assert_eq!(cost(&one), cost(&same), "{written_out}");
    }
}

/// The canonical form of an operation; `None` if its variables are invalid.
fn canonical(
    document: &Document,
    name: Option<&str>,
    given: &Map<String, Json>,
) -> Option<OperationDefinition> {
    let operation = document.operation(name).ok()?;
    let variables = coerce_variables(operation, given, types(), true, &document.positions).ok()?;
    let variables = Variables::new(variables, u64::from(u32::MAX));
    lower(document, operation, &variables, types()).ok()
}

/// Checks that a set has neither directives nor spreads nor a response key twice, and no more
/// fields than the limit.
fn assert_plain(set: &library::SelectionSet, limits: &LimitConfig) -> u64 {
    let mut keys = Vec::new();
    let mut size = 0;
    for item in &set.items {
        assert!(item.node.directives().is_empty(), "{item:?}");
        size += 1 + match &item.node {
            library::Selection::Field(field) => {
                keys.push(field.node.response_key().node.clone());
                assert_plain(&field.node.selection_set.node, limits)
            }
            library::Selection::InlineFragment(fragment) => {
                assert_plain(&fragment.node.selection_set.node, limits)
            }
            library::Selection::FragmentSpread(_) => panic!("{item:?}"),
        };
    }
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count, "{set:?}");
    let max = (limits.max_fields + 2) * OBJECTS_OF_AN_INTERFACE;
    assert!(size <= max, "{size} of {max}");
    size
}

/// The text of a valid document with inline fragments for its named ones.
fn write_out_fragments(text: &str) -> String {
    let parsed = Parser::new().parse_ast(text, "document.graphql");
    let parsed = parsed.expect("a valid document");
    let fragments = fragments_of(&parsed);
    let mut copy = ast::Document::new();
    for definition in &parsed.definitions {
        if let Definition::OperationDefinition(operation) = definition {
            let mut operation = operation.clone();
            let inner = operation.make_mut();
            inner.selection_set = write_out(&inner.selection_set, &fragments);
            copy.definitions
                .push(Definition::OperationDefinition(operation));
        }
    }
    copy.serialize().no_indent().to_string()
}

fn write_out(set: &[Selection], fragments: &Fragments<'_>) -> Vec<Selection> {
    let write_out = |item: &Selection| match item {
        Selection::Field(field) => {
            let mut field = field.clone();
            let inner = field.make_mut();
            inner.selection_set = write_out(&inner.selection_set, fragments);
            Selection::Field(field)
        }
        Selection::InlineFragment(fragment) => {
            let mut fragment = fragment.clone();
            let inner = fragment.make_mut();
            inner.selection_set = write_out(&inner.selection_set, fragments);
            Selection::InlineFragment(fragment)
        }
        Selection::FragmentSpread(spread) => {
            let fragment = fragments[&spread.fragment_name];
            Selection::InlineFragment(Node::new(InlineFragment {
                type_condition: Some(fragment.type_condition.clone()),
                directives: spread.directives.clone(),
                selection_set: write_out(&fragment.selection_set, fragments),
            }))
        }
    };
    set.iter().map(write_out).collect()
}
