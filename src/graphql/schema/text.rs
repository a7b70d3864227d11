//! A text of an answer, whose bytes count: the same one may be asked for many times.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value, parser::types::Field,
    registry::Registry,
};

use crate::graphql::{
    execute::{errors::repeated, loader::Loaders},
    schema::plain::plain_leaf,
};

/// A String. Resolving it fails once the operation's texts are too long together.
pub(crate) struct Text<T: AsRef<str> + Send + Sync>(pub(crate) T);

impl<T: AsRef<str> + Send + Sync> OutputType for Text<T> {
    fn type_name() -> Cow<'static, str> {
        <str as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <str as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let text = self.0.as_ref();
        let held = ctx.data_unchecked::<Loaders>().budget().hold_text(text);
        held.map_err(|error| {
            let error = error.map_or_else(repeated, |error| {
                async_graphql::Error::from(error).into_server_error(field.pos)
            });
            ctx.set_error_path(error)
        })?;
        Ok(Value::String(text.to_owned()))
    }
}

plain_leaf! {
    [T: AsRef<str> + Send + Sync] Text<T>, |value, out| out.text(value.0.as_ref());
}
