//! The update methods of builders.

use crate::{
    app::App,
    domain::{
        builder::{BuilderInfo, check_builder_name},
        error::Result,
        id::BuilderId,
    },
    service::{
        write::{Updated, write, write_event},
        writer::Writer,
    },
    store::{
        builder::{self, Model},
        cache::written::WrittenRow,
        event,
    },
};

/// Finds the builder of this name, or adds it.
///
/// # Errors
/// `Invalid` for the name.
pub(crate) async fn find_builder(app: &App, writer: &Writer, name: &str) -> Result<Model> {
    check_builder_name(name)?;
    let builder = write(app, writer, |txn| {
        // Owned, since the future must be valid for any lifetime of a transaction.
        let name = name.to_owned();
        Box::pin(async move { builder::find_or_insert(txn, &name).await })
    })
    .await?;
    // It may be as nobody has read it yet.
    app.db.cache.forget(&builder.touched());
    app.feed.wake();
    Ok(builder)
}

/// Sets what is given of a builder and leaves the rest; tags replace all tags. Returns the builder
/// after the update, and the bookmark of the event that the update caused.
///
/// # Errors
/// `NotFound`, `Invalid` for the arguments, and `WrittenUnread` where it is written but has no
/// position yet.
pub(crate) async fn update_builder_info(
    app: &App,
    writer: &Writer,
    builderid: BuilderId,
    info: BuilderInfo,
) -> Result<Updated<Model>> {
    info.check()?;
    write_event(app, writer, |txn| {
        let info = info.clone();
        Box::pin(async move {
            let builder = builder::set_info(txn, builderid, info).await?;
            Ok((event::of_builder(txn, builderid).await?, builder))
        })
    })
    .await
}
