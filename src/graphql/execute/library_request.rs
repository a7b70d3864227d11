//! The request that async-graphql executes: a copy of the canonical operation, and all that
//! resolvers need.

use std::collections::HashMap;

use async_graphql::{
    Pos, Positioned, Request,
    parser::types::{DocumentOperations, ExecutableDocument},
};

use crate::{
    auth::request_context::RequestContext,
    domain::error::{Error, Result},
    graphql::{
        api::Api,
        execute::{
            budget::Budget,
            context::{KeyedMutation, RequestCursor},
            loader::Loaders,
            run_scope::RunScope,
        },
        prepare::{
            canonical_text::canonical_text, document_hash::DocumentHash,
            operation::PreparedOperation,
        },
        schema::scalar::EventCursor,
    },
    service::idempotency,
};

impl Api {
    /// The library's request for an operation.
    pub(crate) async fn library_request(
        &self,
        operation: &PreparedOperation,
        context: &RequestContext,
        scope: &RunScope,
    ) -> Result<Request> {
        let app = &self.app;
        let db = app.db.for_caller(scope.account.clone());
        // Read before anything else: a subscription that starts from it misses nothing.
        let cursor = if operation.has_root_field("eventCursor") {
            let newest = app.feed.newest_read_by(&db).await;
            newest.map(|newest| EventCursor(app.feed.cursor(newest)))
        } else {
            // Never sent: no field reads it.
            Err(Error::invalid("eventCursor", "not asked for"))
        };
        // A mutation that is cut off would leave its caller in doubt, so only its reads have a
        // deadline.
        let deadline = operation.is_mutation().then_some(scope.deadline);
        let (limits, memory) = (&app.config.limit, app.rate_limiter.memory(context));
        let budget = Budget::new(limits, &memory, deadline, scope.account.clone());
        // Without a text: the library takes the parsed document instead.
        let mut request = Request::new("")
            .data(context.caller.clone())
            .data(Loaders::new(db, budget))
            .data(scope.presence.clone())
            .data(RequestCursor(cursor))
            .data(operation.plans.clone());
        if operation.is_mutation()
            && let Some(keyed) = self.claim_key(operation, context, scope).await?
        {
            request = request.data(keyed);
        }
        if operation.has_root_field("_service") {
            request = request.data(self.subgraph_sdl.clone());
        }
        if let Some(introspection) = &operation.introspection {
            request = request.data(introspection.answer(&self.types)?);
        }
        // The library takes the operation by value; the response is shaped by the original.
        let canonical = Positioned::new(operation.canonical.clone(), Pos::default());
        request.set_parsed_query(ExecutableDocument {
            operations: DocumentOperations::Single(canonical),
            fragments: HashMap::new(),
        });
        Ok(request)
    }

    /// Claims the key of a mutation, if it has one.
    async fn claim_key(
        &self,
        operation: &PreparedOperation,
        context: &RequestContext,
        scope: &RunScope,
    ) -> Result<Option<KeyedMutation>> {
        let Some(key) = &operation.idempotency_key else {
            return Ok(None);
        };
        let request = DocumentHash::of(&canonical_text(&operation.canonical)).hex();
        // Boxed, so that operations without a key do not hold it.
        let claim = idempotency::claim(
            &self.app,
            &context.caller,
            key,
            &request,
            scope.deadline,
            &scope.presence,
        );
        let claimed = Box::pin(claim).await?;
        let names = operation.root_fields().map(|f| f.node.response_key());
        Ok(claimed.map(|key| KeyedMutation {
            key,
            places: names.map(|name| name.node.clone()).zip(0..).collect(),
            deadline: scope.deadline,
        }))
    }
}
