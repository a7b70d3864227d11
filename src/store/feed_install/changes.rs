//! What a command has changed in a schema.

use migration::feed::FeedObject;

/// Kinds and names, such as "table `graphql_feed`".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SchemaChanges {
    pub(crate) removed: Vec<String>,
    pub(crate) added: Vec<String>,
}

/// What a line about the object says of it.
pub(crate) fn describe(object: &FeedObject) -> String {
    format!("{} {}", object.kind.name(), object.name)
}
