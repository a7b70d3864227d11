//! The update methods of builders.

use crate::{
    app::App,
    domain::{builder::check_builder_name, error::Result, id::BuilderId},
    service::{write::write, writer::Writer},
    store::builder,
};

/// Finds the builder of this name, or adds it.
///
/// # Errors
/// `Invalid` for the name.
pub(crate) async fn find_builder(app: &App, writer: &Writer, name: &str) -> Result<builder::Model> {
    check_builder_name(name)?;
    write(app, writer, |txn| {
        // Owned, since the future must be valid for any lifetime of a transaction.
        let name = name.to_owned();
        Box::pin(async move { builder::find_or_insert(txn, &name).await })
    })
    .await
}

/// Replaces a builder's description, which is plain text, and its tags.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn update_builder_info(
    app: &App,
    writer: &Writer,
    builderid: BuilderId,
    description: &str,
    tags: &[&str],
) -> Result<builder::Model> {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    write(app, writer, |txn| {
        let (description, tags) = (description.to_owned(), tags.clone());
        Box::pin(async move { builder::set_info(txn, builderid, &description, &tags).await })
    })
    .await
}
