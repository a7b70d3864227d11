//! Fuzzes the document checks: an operation must cost the same as its copy with every fragment
//! inlined.

use std::sync::LazyLock;

use async_graphql::{
    Positioned, Variables,
    parser::{
        parse_query,
        types::{ExecutableDocument, InlineFragment, OperationDefinition, Selection, SelectionSet},
    },
};

use crate::{
    config::limit::LimitConfig,
    graphql::{
        prepare::{
            cost::measure_cost, lexical_limits::check_lexical_limits, schema_types::SchemaTypes,
            validation::validate_document, value_check::validate_variables,
        },
        schema::build_schema,
    },
};

/// Low limits, so that a small document can exceed them.
const FLAGS: [&str; 10] = [
    "--max-nesting",
    "12",
    "--max-fields",
    "60",
    "--max-depth",
    "6",
    "--max-aliases",
    "8",
    "--max-directives",
    "8",
];
/// With more brackets than this, the library's parser may overflow its stack.
const MAX_BRACKETS: usize = 100;

/// How large a selection set is.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    items: u64,
    aliases: u64,
    directives: u64,
    depth: u64,
}

impl Size {
    fn of(set: &SelectionSet) -> Self {
        let mut size = Self::default();
        for item in &set.items {
            let (directives, inner) = match &item.node {
                Selection::Field(field) => {
                    size.aliases += u64::from(field.node.alias.is_some());
                    let mut inner = Self::of(&field.node.selection_set.node);
                    inner.depth += 1;
                    (&field.node.directives, inner)
                }
                Selection::InlineFragment(fragment) => (
                    &fragment.node.directives,
                    Self::of(&fragment.node.selection_set.node),
                ),
                Selection::FragmentSpread(spread) => (&spread.node.directives, Self::default()),
            };
            size.items += 1 + inner.items;
            size.aliases += inner.aliases;
            size.directives += directives.len() as u64 + inner.directives;
            size.depth = size.depth.max(inner.depth);
        }
        size
    }
}

/// A copy of the set with its fragments inlined.
fn inline_fragments(set: &SelectionSet, document: &ExecutableDocument) -> SelectionSet {
    let mut set = set.clone();
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) => {
                let inner = &mut field.node.selection_set.node;
                *inner = inline_fragments(inner, document);
            }
            Selection::InlineFragment(fragment) => {
                let inner = &mut fragment.node.selection_set.node;
                *inner = inline_fragments(inner, document);
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let Some(fragment) = document.fragments.get(name) else {
                    continue;
                };
                let (pos, set) = (fragment.pos, &fragment.node.selection_set);
                let inline = InlineFragment {
                    type_condition: Some(fragment.node.type_condition.clone()),
                    directives: spread.node.directives.clone(),
                    selection_set: Positioned::new(inline_fragments(&set.node, document), set.pos),
                };
                item.node = Selection::InlineFragment(Positioned::new(inline, pos));
            }
        }
    }
    set
}

/// Checks a document and its variables: `data` is the text, then optionally a NUL and JSON.
///
/// # Panics
/// If a document beyond a limit passes, a parsable one is rejected as unparsable, or a fragment
/// costs more or less than its content.
pub fn document(data: &[u8]) {
    static TYPES: LazyLock<SchemaTypes> = LazyLock::new(|| {
        let types = SchemaTypes::read(&build_schema().finish().sdl());
        types.expect("the schema can be read")
    });
    static LIMITS: LazyLock<LimitConfig> = LazyLock::new(|| LimitConfig::of(&FLAGS));
    let (types, limits) = (&*TYPES, &*LIMITS);
    let mut parts = data.splitn(2, |byte| *byte == 0).map(str::from_utf8);
    let (Some(Ok(text)), variables) = (parts.next(), parts.next()) else {
        return;
    };
    let Some(document) = parse_within_limits(text, limits) else {
        return;
    };
    if let Err(error) = validate_document(&document, types, limits) {
        assert!(
            !error.message.is_empty() && error.extensions.is_some(),
            "{error:?}"
        );
        return;
    }
    let variables = variables.and_then(Result::ok).unwrap_or_default();
    let variables = serde_json::from_str(variables).map(Variables::from_json);
    let variables = variables.unwrap_or_default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let mut flat = operation.clone();
        flat.selection_set.node = inline_fragments(&operation.selection_set.node, &document);
        assert_within_limits(operation, &flat, limits, text.contains("__"));
        if validate_variables(operation, &variables, types).is_err() {
            continue;
        }
        let costs =
            [operation, &flat].map(|o| measure_cost(&document, o, &variables, types, limits).ok());
        assert_eq!(costs[0], costs[1]);
    }
}

/// Parses a text; `None` if it is beyond the lexical limits or cannot be parsed.
fn parse_within_limits(text: &str, limits: &LimitConfig) -> Option<ExecutableDocument> {
    let size = check_lexical_limits(text, limits);
    let is_bracket = |byte: &u8| matches!(byte, b'{' | b'[' | b'(');
    if size.is_err() && text.bytes().filter(|byte| is_bracket(byte)).count() > MAX_BRACKETS {
        return None;
    }
    let document = parse_query(text).ok()?;
    match size {
        Ok(size) => {
            // Each item takes at least one token: with fewer tokens, the scan has skipped text.
            let items = count_items(&document);
            assert!(items <= size.tokens, "{items} in {} tokens", size.tokens);
            Some(document)
        }
        Err(error) => {
            let is_limit = error.extensions.is_some_and(|e| e.get("limit").is_some());
            assert!(is_limit, "{text}");
            None
        }
    }
}

/// Counts the fields and fragments that are written in a document.
fn count_items(document: &ExecutableDocument) -> u64 {
    let operations = document.operations.iter();
    let operations = operations.map(|(_, o)| &o.node.selection_set.node);
    let fragments = document.fragments.values();
    let fragments = fragments.map(|f| &f.node.selection_set.node);
    let sets = operations.chain(fragments);
    sets.map(|set| Size::of(set).items).sum()
}

/// Checks a valid operation and its copy with the fragments inlined.
fn assert_within_limits(
    operation: &OperationDefinition,
    flat: &OperationDefinition,
    limits: &LimitConfig,
    has_introspection: bool,
) {
    let size = Size::of(&flat.selection_set.node);
    assert!(size.items <= limits.max_fields, "{size:?}");
    // Both count once, where they are written, and not at every spread.
    let written = Size::of(&operation.selection_set.node);
    assert!(written.aliases <= limits.max_aliases, "{size:?}");
    assert!(written.directives <= limits.max_directives, "{size:?}");
    // Introspection may go deeper.
    assert!(
        size.depth <= limits.max_depth || has_introspection,
        "{size:?}"
    );
}
