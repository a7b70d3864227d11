//! The root of queries, which answers introspection with what the request carries.

use std::borrow::Cow;

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult,
    Value, parser::types::Field, registry::Registry,
};

use crate::graphql::prepare::introspection::IntrospectedFields;

/// A wrapper of a root, with the same type in the schema. The schema's own introspection has to be
/// disabled.
pub(crate) struct Root<T>(pub(crate) T);

impl<T: ObjectType> ContainerType for Root<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let field = &ctx.item.node;
        match field.name.node.as_str() {
            "__schema" | "__type" => {
                let fields: &IntrospectedFields = ctx.data_unchecked();
                Ok(Some(fields.value(&field.response_key().node)))
            }
            _ => self.0.resolve_field(ctx).await,
        }
    }
}

impl<T: ObjectType> OutputType for Root<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        self.0.resolve(ctx, field).await
    }
}

impl<T: ObjectType> ObjectType for Root<T> {}
