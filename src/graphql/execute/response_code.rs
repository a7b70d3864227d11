//! The values of `extensions.code` in a GraphQL error.

use crate::domain::error::ErrorCode;

/// The kind of an error, by a stable name that clients match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseCode {
    /// The code of one of our own errors.
    Domain(ErrorCode),
    /// The document is not GraphQL.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// The request names a document that this server does not know.
    PersistedQueryNotFound,
    /// The server runs only trusted documents, and this is not one of them.
    PersistedQueryOnly,
}

impl ResponseCode {
    /// The code as a response carries it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Domain(code) => code.name(),
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryOnly => "PERSISTED_QUERY_ONLY",
        }
    }
}

impl From<ErrorCode> for ResponseCode {
    fn from(code: ErrorCode) -> Self {
        Self::Domain(code)
    }
}
