//! The update method of builders.

use crate::{
    app::App,
    auth::caller::Caller,
    domain::error::{Error, Result},
    service::write::write,
    store::builder,
};

/// The longest builder name, in characters.
const MAX_NAME: usize = 255;

/// Finds the builder of this name, or adds it.
///
/// # Errors
/// `Invalid` for the name.
pub(crate) async fn find_builder(app: &App, caller: &Caller, name: &str) -> Result<builder::Model> {
    let length = name.chars().count();
    if length == 0 || length > MAX_NAME || name.chars().any(char::is_control) {
        let rule = format!("1 to {MAX_NAME} characters, none of them a control character");
        let value = if length > MAX_NAME {
            format!("{length} characters")
        } else {
            format!("{name:?}")
        };
        return Err(Error::invalid("name", format!("{rule}, got {value}")));
    }
    write(app, caller, |txn| {
        let name = name.to_owned();
        Box::pin(async move { txn.find_or_insert_builder(&name).await })
    })
    .await
}
