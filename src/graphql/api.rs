//! TODO.

use crate::{
    app::App,
    auth::request_context::RequestContext,
    domain::error::{CommandError, Error},
    graphql::{
        execute::{budget::Budget, context::RequestCursor, errors::ErrorSigner, loader::Loaders},
        prepare::{
            cost::Cost,
            document::{Documents, OperationRequest},
            operation::PreparedOperation,
            schema_types::SchemaTypes,
            trusted_documents::register_documents,
        },
        schema::{GraphqlSchema, build_limited_schema, scalar::EventCursor},
        subscribe::shared_subscription::SharedSubscriptions,
    },
    metrics::{OperationLabel, OutcomeLabel},
    rate_limit::ASKED,
};
use async_graphql::{Request, Response, ServerError, parser::types::OperationType, value};
use std::{sync::Arc, time::Instant};
use tokio::sync::Semaphore;
use tracing::Instrument;

/// The schema over a server: what every transport executes requests with.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) schema: GraphqlSchema,
    pub(crate) types: SchemaTypes,
    pub(crate) documents: Arc<Documents>,
    pub(crate) groups: SharedSubscriptions,
    /// One for each subscription that may begin at once.
    pub(crate) openings: Arc<Semaphore>,
    pub(crate) app: App,
}

/// What is said to a subscription where one answer is all there can be.
pub(crate) const ONE_ANSWER: &str =
    "a subscription goes over a WebSocket, or over HTTP with `Accept: text/event-stream`";

/// What a document costs that is refused, in points: it was read.
pub(crate) const REFUSED: u64 = 10;

/// How many subscriptions begin at once; the others wait.
pub(crate) const MAX_OPENINGS: usize = 32;

impl Api {
    /// The schema over this server.
    ///
    /// # Errors
    /// The operator's documents cannot be read, or one of them cannot be run.
    pub(crate) async fn new(app: App) -> Result<Self, CommandError> {
        let limits = &app.config.limit;
        let schema = build_limited_schema(limits).data(app.clone()).finish();
        let types = SchemaTypes::read(&schema.sdl())?;
        let mut documents = Documents::new(types.clone(), limits.clone());
        register_documents(&mut documents, limits).await?;
        Ok(Self {
            documents: Arc::new(documents),
            types,
            schema,
            groups: SharedSubscriptions::default(),
            openings: Arc::new(Semaphore::new(MAX_OPENINGS)),
            app,
        })
    }

    /// The server that this schema answers for.
    #[must_use]
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// What the errors of this call are marked with.
    pub(crate) fn signature(&self, context: &RequestContext) -> ErrorSigner {
        ErrorSigner {
            name: context.request_id.clone(),
            metrics: self.app.metrics.clone(),
        }
    }

    /// Finds out what is asked, or why it is not answered, before anything runs.
    pub(crate) fn open(
        &self,
        operation: OperationRequest,
        context: &RequestContext,
    ) -> Result<PreparedOperation, ServerError> {
        let begun = Instant::now();
        self.check(operation, context).map_err(|refusal| {
            let metrics = &self.app.metrics;
            metrics.record_operation(
                OperationLabel::Unknown,
                OutcomeLabel::Refused,
                begun.elapsed(),
            );
            self.signature(context).signed(refusal)
        })
    }

    pub(crate) fn check(
        &self,
        operation: OperationRequest,
        context: &RequestContext,
    ) -> Result<PreparedOperation, ServerError> {
        let rates = &self.app.rate_limiter;
        rates
            .admit(context)
            .map_err(|e| crate::graphql::execute::errors::from_error(&e))?;
        let asked = self.measure(operation);
        let points = asked
            .as_ref()
            .map_or(REFUSED, |asked| asked.cost.objects.max(ASKED));
        let spent = rates.spend(context, points);
        spent.map_err(|e| crate::graphql::execute::errors::from_error(&e))?;
        asked
    }

    pub(crate) fn measure(
        &self,
        operation: OperationRequest,
    ) -> Result<PreparedOperation, ServerError> {
        let mut asked = PreparedOperation {
            document: self.documents.find(operation.source)?,
            operation: operation.name,
            variables: operation.variables,
            types: self.types.clone(),
            cost: Cost::default(),
        };
        // Where it is not said which, the library refuses to run any.
        if let Some(operation) = asked.operation() {
            let (variables, types) = (&asked.variables, &self.types);
            crate::graphql::prepare::value_check::validate_variables(operation, variables, types)?;
            let (document, limits) = (&asked.document.parsed, &self.app.config.limit);
            asked.cost = crate::graphql::prepare::cost::measure_cost(
                document, operation, variables, types, limits,
            )?;
            #[expect(clippy::cast_precision_loss, reason = "it is no more than the limit")]
            let points = asked.cost.objects as f64;
            self.app.metrics.operation_cost.observe(points);
        }
        Ok(asked)
    }

    /// What the library executes: a copy of the document, with all that resolvers need.
    pub(crate) async fn request(
        &self,
        asked: &PreparedOperation,
        context: &RequestContext,
    ) -> Request {
        let cursor = if asked.document.wants_cursor {
            let position = self.app.feed.position().await;
            position.map(|p| EventCursor(self.app.feed.cursor(p)))
        } else {
            Err(Error::invalid("eventCursor", "not found in the document"))
        };
        // Cut off in the middle, a mutation would leave its caller in doubt. What it reads after its writes is not.
        let deadline = asked.is_mutation().then(|| self.app.deadline());
        let budget = Budget::new(self.app.config.limit.max_rows, deadline);
        let mut request = Request::new("")
            .variables(asked.variables.clone())
            .data(context.caller.clone())
            .data(Loaders::new(self.app.db.clone(), budget))
            .data(RequestCursor(cursor));
        request.operation_name.clone_from(&asked.operation);
        request.set_parsed_query(asked.document.parsed.clone());
        request
    }
}

impl Api {
    /// Answers a query or a mutation.
    pub(crate) async fn execute(
        &self,
        asked: PreparedOperation,
        context: &RequestContext,
    ) -> Response {
        let begun = Instant::now();
        let mut response = self.answer(&asked, context).await;
        let outcome = match response.errors.as_slice() {
            [] => OutcomeLabel::Ok,
            _ if crate::graphql::subscribe::stream::is_refused(&response) => OutcomeLabel::Refused,
            _ => OutcomeLabel::Failed,
        };
        let metrics = &self.app.metrics;
        metrics.record_operation(asked.kind(), outcome, begun.elapsed());
        self.signature(context).sign(&mut response.errors);
        if context.wants_cost && outcome != OutcomeLabel::Refused {
            let max = self.app.config.limit.max_cost;
            let cost = value!({ "objects": asked.cost.objects, "max": max });
            return response.extension("cost", cost);
        }
        response
    }

    pub(crate) async fn answer(
        &self,
        asked: &PreparedOperation,
        context: &RequestContext,
    ) -> Response {
        if asked.is(OperationType::Subscription) {
            let refusal = crate::graphql::execute::errors::refusal(
                ONE_ANSWER,
                crate::graphql::execute::errors::VALIDATION_FAILED,
            );
            return Response::from_errors(vec![refusal]);
        }
        let name = asked.name();
        let span = tracing::debug_span!("operation", kind = asked.kind().name(), name);
        let executing = async {
            let request = self.request(asked, context).await;
            self.schema.execute(request).await
        };
        let executing = executing.instrument(span);
        let response = if asked.is_mutation() {
            Ok(executing.await)
        } else {
            self.app.deadline().keep(executing).await
        };
        match response {
            Ok(response) => asked.finish(response),
            Err(error) => {
                Response::from_errors(vec![crate::graphql::execute::errors::from_error(&error)])
            }
        }
    }
}
