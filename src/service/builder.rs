//! The update method of builders.

use crate::{
    app::App,
    auth::caller::Caller,
    domain::{builder::check_builder_name, error::Result},
    store::builder,
};

/// The builder of this name, made if there is none.
///
/// # Errors
/// `Invalid` for the name, and as every write.
pub(crate) async fn find_builder(app: &App, caller: &Caller, name: &str) -> Result<builder::Model> {
    check_builder_name(name)?;
    crate::service::write(app, caller, |txn| {
        let name = name.to_owned();
        Box::pin(async move { builder::find_or_insert(txn, &name).await })
    })
    .await
}
