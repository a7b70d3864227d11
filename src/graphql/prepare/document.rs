//! A document that may run: parsed, measured and validated, once for all requests that send it.

use apollo_compiler::{
    ExecutableDocument, ast,
    diagnostic::ToCliReport,
    executable::Operation,
    parser::Parser,
    validation::{DiagnosticList, Valid},
};
use async_graphql::ServerError;

use crate::{
    config::limit::LimitConfig,
    graphql::{
        execute::{errors, response_code::ResponseCode},
        prepare::{
            document_hash::DocumentHash,
            document_limits::check_document_limits,
            lexical_limits::{check_lexical_limits, count_tokens},
            positions::Positions,
            rules::{MAX_ERRORS, check_rules},
            type_system::TypeSystem,
        },
    },
};

/// About how much memory a token takes once it is parsed, and as a field of the operation that was
/// prepared last, in bytes.
const TOKEN_BYTES: usize = 768;
/// The bytes that any document is charged, so that small ones are bounded in number.
const DOCUMENT_BYTES: usize = 2_048;

/// A valid document.
pub(crate) struct Document {
    pub(crate) hash: DocumentHash,
    pub(crate) executable: Valid<ExecutableDocument>,
    pub(crate) positions: Positions,
    pub(crate) tokens: usize,
    /// About how much memory it takes.
    pub(crate) bytes: usize,
}

impl Document {
    /// Parses, measures and validates a text. Fails with all that is wrong with it.
    pub(crate) fn read(
        text: String,
        types: &TypeSystem,
        limits: &LimitConfig,
    ) -> Result<Self, Vec<ServerError>> {
        let positions = Positions::of(text);
        let size = check_lexical_limits(&positions, limits).map_err(one)?;
        let parsed = parse(&positions, limits).map_err(one)?;
        check_is_whole(&parsed, &positions, size.tokens).map_err(one)?;
        check_document_limits(&parsed, &positions, limits).map_err(one)?;
        let errors = check_rules(&parsed, types, limits.no_introspection, &positions);
        if !errors.is_empty() {
            return Err(errors);
        }
        let executable = parsed
            .to_executable_validate(types)
            .map_err(|invalid| errors_of(&invalid.errors, &positions))?;
        let tokens = usize::try_from(size.tokens).unwrap_or(usize::MAX);
        let text_bytes = positions.text().len().saturating_mul(2);
        Ok(Self {
            hash: DocumentHash::of(positions.text()),
            executable,
            positions,
            tokens,
            bytes: text_bytes + tokens.saturating_mul(TOKEN_BYTES) + DOCUMENT_BYTES,
        })
    }

    /// The operation of this name or, without a name, the only one.
    pub(crate) fn operation(&self, name: Option<&str>) -> Result<&Operation, ServerError> {
        let operations = &self.executable.operations;
        operations.get(name).map(|found| &**found).map_err(|_| {
            let names = operations.named.keys().map(ast::NamedType::as_str);
            let known = names.collect::<Vec<_>>().join(", ");
            let message = match name {
                Some(name) if known.is_empty() => {
                    format!(
                        "operationName: the document's only operation has no name, got {name:?}"
                    )
                }
                Some(name) => format!("operationName: one of {known}, got {name:?}"),
                None => format!("operationName: one of {known} is needed, since there are several"),
            };
            errors::request_error(message, ResponseCode::ValidationFailed)
        })
    }
}

fn one(error: ServerError) -> Vec<ServerError> {
    vec![error]
}

/// Parses a text that is within the lexical limits. Fails with the first thing that is no GraphQL.
fn parse(positions: &Positions, limits: &LimitConfig) -> Result<ast::Document, ServerError> {
    let limit = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parser = Parser::new()
        // A second line of defence: the lexical limits have counted the same.
        .recursion_limit(limit(limits.max_nesting).saturating_mul(4))
        .token_limit(limit(limits.max_document_bytes));
    let text = positions.text();
    parser
        .parse_ast(text, "document.graphql")
        .map_err(|invalid| {
            let first = invalid.errors.iter().next();
            let message = first.as_ref().map(|first| first.error.to_string());
            let location = first.and_then(|first| first.error.location());
            let message = message
                .as_deref()
                .unwrap_or("the document cannot be parsed");
            errors::parse_failed(message, positions.start(location))
        })
}

/// Fails if the parser has passed over a part of the text, such as a name without a colon: written
/// again, the document has fewer tokens.
fn check_is_whole(
    document: &ast::Document,
    positions: &Positions,
    tokens: u64,
) -> Result<(), ServerError> {
    let text = positions.text();
    let written = document.definitions.iter().map(|definition| {
        let written = definition.to_string();
        // The keyword of a mere query may be left out, here and there.
        let has_keyword = |text: &str| u64::from(text.starts_with("query"));
        let start = definition
            .location()
            .map_or(0, |location| location.offset());
        count_tokens(&written) + has_keyword(&text[start..]) - has_keyword(&written)
    });
    if written.sum::<u64>() == tokens {
        return Ok(());
    }
    let message = "a name without a colon and a value, or another part that is no GraphQL";
    Err(errors::parse_failed(message, positions.at(0)))
}

/// The validation's findings, in the order of the document.
fn errors_of(found: &DiagnosticList, positions: &Positions) -> Vec<ServerError> {
    let found = found.iter().map(|found| {
        let at = positions.start(found.error.location());
        errors::invalid_document(&found.error.to_string(), at)
    });
    let mut errors: Vec<ServerError> = found.collect();
    errors.sort_by_key(|error| error.locations.first().map(|at| (at.line, at.column)));
    errors.truncate(MAX_ERRORS);
    errors
}
