//! The update method of builders.

use crate::{
    app::App,
    auth::caller::Caller,
    domain::error::{Error, Result},
    store::builder,
};

/// The longest builder name, in characters.
const MAX_NAME: usize = 255;

/// The builder of this name, made if there is none.
///
/// # Errors
/// `Invalid` for the name, and as every write.
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
    crate::service::write(app, caller, |txn| {
        let name = name.to_owned();
        Box::pin(async move { txn.find_or_insert_builder(&name).await })
    })
    .await
}
