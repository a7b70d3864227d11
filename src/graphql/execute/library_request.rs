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
    ) -> Result<Request> {
        let app = &self.app;
        // Read before anything else: a subscription that starts from it misses nothing.
        let cursor = if operation.has_root_field("eventCursor") {
            let position = app.feed.position().await;
            position.map(|position| EventCursor(app.feed.cursor(position)))
        } else {
            // Never sent: no field reads it.
            Err(Error::invalid("eventCursor", "not asked for"))
        };
        // A mutation that is cut off would leave its caller in doubt, so only its reads have a
        // deadline.
        let deadline = operation.is_mutation().then(|| app.deadline());
        let budget = Budget::new(app.config.limit.max_rows, deadline);
        // Without a text: the library takes the parsed document instead.
        let mut request = Request::new("")
            .data(context.caller.clone())
            .data(Loaders::new(app.db.clone(), budget))
            .data(RequestCursor(cursor));
        if let (Some(key), Some(deadline)) = (&operation.idempotency_key, deadline) {
            let text = canonical_text(&operation.canonical);
            let hash = DocumentHash::of(&text).hex();
            // Boxed, so that operations without a key do not hold it.
            let claim = Box::pin(idempotency::claim(
                app,
                &context.caller,
                key,
                &hash,
                deadline,
            ));
            if let Some(key) = claim.await? {
                let names = operation.root_fields().map(|f| f.node.response_key());
                request = request.data(KeyedMutation {
                    key,
                    places: names.map(|name| name.node.clone()).zip(0..).collect(),
                    deadline,
                });
            }
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
}
