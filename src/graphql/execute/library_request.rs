//! The request that async-graphql executes: a copy of the document, and all that resolvers need.

use async_graphql::Request;

use crate::{
    auth::request_context::RequestContext,
    domain::error::Error,
    graphql::{
        api::Api,
        execute::{budget::Budget, context::RequestCursor, loader::Loaders},
        prepare::operation::PreparedOperation,
        schema::{root::ExecutionBegun, scalar::EventCursor},
    },
};

impl Api {
    /// The library's request for an operation. `begun` is set once the library executes it.
    pub(crate) async fn library_request(
        &self,
        operation: &PreparedOperation,
        context: &RequestContext,
        begun: &ExecutionBegun,
    ) -> Request {
        let app = &self.app;
        // Read before anything else: a subscription that starts from it misses nothing.
        let cursor = if operation.document.wants_cursor {
            let position = app.feed.position().await;
            position.map(|position| EventCursor(app.feed.cursor(position)))
        } else {
            // Never sent: no field reads it.
            Err(Error::invalid("eventCursor", "not found in the document"))
        };
        // A mutation that is cut off would leave its caller in doubt, so only its reads have a
        // deadline.
        let deadline = operation.is_mutation().then(|| app.deadline());
        let budget = Budget::new(app.config.limit.max_rows, deadline);
        // Without a text: the library takes the parsed document instead.
        let mut request = Request::new("")
            .variables(operation.variables.clone())
            .data(context.caller.clone())
            .data(Loaders::new(app.db.clone(), budget))
            .data(RequestCursor(cursor))
            .data(begun.clone());
        request.operation_name.clone_from(&operation.name);
        // The library takes the document by value, and the cache keeps the original.
        request.set_parsed_query(operation.document.parsed.clone());
        request
    }
}
