//! The update method of builders.

use crate::{
    app::App,
    domain::{builder::check_builder_name, error::Result},
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
