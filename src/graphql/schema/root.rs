//! The roots of the schema, which record that execution has begun.
//!
//! async-graphql returns the same type for a document that it rejects and one that it executes, but
//! only execution resolves a field of a root.

use std::{
    borrow::Cow,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ObjectType, OutputType, Positioned, Response,
    ServerResult, SubscriptionType, Value, parser::types::Field, registry::Registry,
};
use futures_util::Stream;

/// Set once a field of the root is resolved; each request carries its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecutionBegun(Arc<AtomicBool>);

impl ExecutionBegun {
    fn set(&self) {
        // Relaxed, since the flag guards no other memory.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a field of the root has been resolved.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A wrapper of a root, with the same type in the schema.
pub(crate) struct Root<T>(pub(crate) T);

impl<T: ObjectType> ContainerType for Root<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        ctx.data_unchecked::<ExecutionBegun>().set();
        self.0.resolve_field(ctx).await
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

impl<T: SubscriptionType> SubscriptionType for Root<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    fn create_field_stream<'a>(
        &'a self,
        ctx: &'a Context<'_>,
    ) -> Option<Pin<Box<dyn Stream<Item = Response> + Send + 'a>>> {
        ctx.data_unchecked::<ExecutionBegun>().set();
        self.0.create_field_stream(ctx)
    }
}
