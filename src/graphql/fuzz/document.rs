//! The pass over a document, given anything, against what the document says once every fragment is written out.

use std::sync::LazyLock;

use async_graphql::{
    Positioned, Variables,
    parser::{
        parse_query,
        types::{ExecutableDocument, InlineFragment, Selection, SelectionSet},
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

/// Small, so that a small document can pass them.
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
/// More brackets than this, and the library's parser may run out of stack.
const MAX_BRACKETS: usize = 100;

/// What there is in a selection set.
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

/// The set with its fragments written out.
fn inlined(set: &SelectionSet, document: &ExecutableDocument) -> SelectionSet {
    let mut set = set.clone();
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) => {
                let inner = &mut field.node.selection_set.node;
                *inner = inlined(inner, document);
            }
            Selection::InlineFragment(fragment) => {
                let inner = &mut fragment.node.selection_set.node;
                *inner = inlined(inner, document);
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
                    selection_set: Positioned::new(inlined(&set.node, document), set.pos),
                };
                item.node = Selection::InlineFragment(Positioned::new(inline, pos));
            }
        }
    }
    set
}

/// A document, and behind a NUL perhaps variables.
///
/// # Panics
/// A document passes that is beyond a limit, one that can be read is refused as one that cannot, or a fragment
/// costs something else than what it stands for.
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
    let scanned = check_lexical_limits(text, limits);
    let is_bracket = |byte: &u8| matches!(byte, b'{' | b'[' | b'(');
    if scanned.is_err() && text.bytes().filter(|byte| is_bracket(byte)).count() > MAX_BRACKETS {
        return;
    }
    let parsed = parse_query(text);
    let size = match (scanned, &parsed) {
        (Ok(size), Ok(_)) => size,
        (Err(error), Ok(_)) => {
            let is_limit = error.extensions.is_some_and(|e| e.get("limit").is_some());
            return assert!(is_limit, "{text}");
        }
        (_, Err(_)) => return,
    };
    let Ok(document) = parsed else { return };
    let sets = document
        .operations
        .iter()
        .map(|(_, o)| &o.node.selection_set.node);
    let sets = sets.chain(
        document
            .fragments
            .values()
            .map(|f| &f.node.selection_set.node),
    );
    let written: u64 = sets.map(|set| Size::of(set).items).sum();
    assert!(
        written <= size.tokens,
        "{written} in {} tokens",
        size.tokens
    );
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
        flat.selection_set.node = inlined(&operation.selection_set.node, &document);
        let size = Size::of(&flat.selection_set.node);
        assert!(size.items <= limits.max_fields, "{size:?}");
        // Each is counted where it is written, once.
        let written = Size::of(&operation.selection_set.node);
        assert!(written.aliases <= limits.max_aliases, "{size:?}");
        assert!(written.directives <= limits.max_directives, "{size:?}");
        // Introspection may go deeper.
        assert!(
            size.depth <= limits.max_depth || text.contains("__"),
            "{size:?}"
        );
        if validate_variables(operation, &variables, types).is_err() {
            continue;
        }
        let costs =
            [operation, &flat].map(|o| measure_cost(&document, o, &variables, types, limits).ok());
        assert_eq!(costs[0], costs[1]);
    }
}
