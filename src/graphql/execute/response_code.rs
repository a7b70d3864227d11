//! The codes that stand in the `extensions.code` of a GraphQL error.

use crate::domain::error::ErrorCode;

/// The stable name of an error's kind, as clients match on it.
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
    /// The request's document is not one of the trusted ones, and only those run.
    PersistedQueryOnly,
}

impl ResponseCode {
    /// The code as it stands in a response.
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
