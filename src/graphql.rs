//! The schema: what each type and field means, and which one call answers it. Knows nothing of HTTP.

pub(crate) mod execute;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod prepare;
pub(crate) mod schema;
pub(crate) mod subscribe;

use std::{sync::Arc, time::Instant};

use async_graphql::{
    Context, Positioned, Request, Response, SDLExportOptions, Schema, ServerError, Variables,
    parser::types::{Field, OperationDefinition, OperationType, Selection},
    value,
};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::{
    app::App,
    auth::{Caller, RequestContext},
    domain::error::{CommandError, Error},
    graphql::{
        execute::{budget::Budget, errors::ErrorSigner, loader::Loaders, response::ResponseShaper},
        prepare::{
            cost::Cost,
            document::{Document, Documents, OperationRequest},
            schema_types::SchemaTypes,
        },
        schema::scalar::EventCursor,
        subscribe::shared_subscription::SharedSubscriptions,
    },
    metrics::{OperationLabel, OutcomeLabel},
    rate_limit::ASKED,
};

type GraphqlSchema = Schema<
    crate::graphql::schema::query::Query,
    crate::graphql::schema::mutation::Mutation,
    crate::graphql::schema::subscription::Subscription,
>;

/// The schema over a server: what every transport executes requests with.
#[derive(Clone)]
pub(crate) struct Api {
    schema: GraphqlSchema,
    types: SchemaTypes,
    documents: Arc<Documents>,
    groups: SharedSubscriptions,
    /// One for each subscription that may begin at once.
    openings: Arc<Semaphore>,
    app: App,
}

/// What `eventCursor` answers, read before anything else of its request.
struct RequestCursor(crate::domain::error::Result<EventCursor>);

/// What is said to a subscription where one answer is all there can be.
const ONE_ANSWER: &str =
    "a subscription goes over a WebSocket, or over HTTP with `Accept: text/event-stream`";

/// What a document costs that is refused, in points: it was read.
const REFUSED: u64 = 10;
/// How many subscriptions begin at once; the others wait.
const MAX_OPENINGS: usize = 32;

/// What resolvers need, without spelling out how it is kept.
trait ContextExt {
    fn app(&self) -> &App;
    fn caller(&self) -> &Caller;
    fn loaders(&self) -> &Loaders;
    /// A write may begin: there is time left. Once begun, it is not cut off.
    fn begin(&self) -> crate::domain::error::Result<()>;
    fn event_cursor(&self) -> crate::domain::error::Result<EventCursor>;
    /// Logs, once, that a row holds a value that no Buildbot should have written.
    fn report_invalid(&self, column: &'static str, id: i32);
}

impl ContextExt for Context<'_> {
    fn app(&self) -> &App {
        self.data_unchecked()
    }

    fn caller(&self) -> &Caller {
        self.data_unchecked()
    }

    fn loaders(&self) -> &Loaders {
        self.data_unchecked()
    }

    fn begin(&self) -> crate::domain::error::Result<()> {
        self.loaders().budget().check()
    }

    fn event_cursor(&self) -> crate::domain::error::Result<EventCursor> {
        self.data_unchecked::<RequestCursor>().0.clone()
    }

    fn report_invalid(&self, column: &'static str, id: i32) {
        self.app().invalid_values.report(column, id);
    }
}

fn build_schema() -> async_graphql::SchemaBuilder<
    crate::graphql::schema::query::Query,
    crate::graphql::schema::mutation::Mutation,
    crate::graphql::schema::subscription::Subscription,
> {
    Schema::build(
        crate::graphql::schema::query::Query,
        crate::graphql::schema::mutation::Mutation,
        crate::graphql::schema::subscription::Subscription,
    )
}

/// The schema as text, sorted: what `schema.graphql` holds.
#[must_use]
pub fn sdl() -> String {
    // Not the values of enums: the order of `Results` is that of Buildbot's codes.
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .include_specified_by()
        .use_space_ident()
        .indent_width(2);
    let sdl = build_schema().finish().sdl_with_options(options);
    let lines: Vec<&str> = sdl.trim().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

impl Api {
    /// The schema over this server.
    ///
    /// # Errors
    /// The operator's documents cannot be read, or one of them cannot be run.
    pub(crate) async fn new(app: App) -> Result<Self, CommandError> {
        let limits = &app.config.limit;
        let nesting = usize::try_from(limits.max_nesting).unwrap_or(usize::MAX);
        let mut schema = build_schema()
            .limit_recursive_depth(nesting)
            .data(app.clone());
        if limits.no_introspection {
            schema = schema.disable_introspection().disable_suggestions();
        }
        let schema = schema.finish();
        let types = SchemaTypes::read(&schema.sdl());
        let mut documents = Documents::new(types.clone(), app.config.limit.clone());
        for (id, text) in crate::graphql::prepare::trusted_documents::read(limits)? {
            let valid = documents.register(&id, text);
            let refused = match valid {
                Ok(document) => {
                    crate::graphql::prepare::trusted_documents::refusal(&schema, &document).await
                }
                Err(refusal) => Some(refusal),
            };
            if let Some(refusal) = refused {
                return Err(crate::graphql::prepare::trusted_documents::cannot(
                    limits,
                    &format!("the document {id:?}: {refusal}"),
                ));
            }
        }
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

    fn check(
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

    fn measure(&self, operation: OperationRequest) -> Result<PreparedOperation, ServerError> {
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
            crate::graphql::prepare::validation::variables(operation, variables, types)?;
            let (document, limits) = (&asked.document.parsed, &self.app.config.limit);
            asked.cost =
                crate::graphql::prepare::cost::cost(document, operation, variables, types, limits)?;
            #[expect(clippy::cast_precision_loss, reason = "it is no more than the limit")]
            let points = asked.cost.objects as f64;
            self.app.metrics.operation_cost.observe(points);
        }
        Ok(asked)
    }

    /// What the library executes: a copy of the document, with all that resolvers need.
    async fn request(&self, asked: &PreparedOperation, context: &RequestContext) -> Request {
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

/// What was asked, and was found to be worth an answer.
pub(crate) struct PreparedOperation {
    document: Arc<Document>,
    operation: Option<String>,
    variables: Variables,
    types: SchemaTypes,
    cost: Cost,
}

impl PreparedOperation {
    /// It is a mutation.
    pub(crate) fn is_mutation(&self) -> bool {
        self.is(OperationType::Mutation)
    }

    fn is(&self, kind: OperationType) -> bool {
        self.operation().is_some_and(|o| o.ty == kind)
    }

    fn operation(&self) -> Option<&OperationDefinition> {
        self.document.operation(self.operation.as_deref())
    }

    /// The first of the outermost fields; a subscription has only one.
    fn root_field(&self) -> Option<&Positioned<Field>> {
        let first = self.operation()?.selection_set.node.items.first()?;
        match &first.node {
            Selection::Field(field) => Some(field),
            _ => None,
        }
    }

    /// What the operation is called, if it has a name.
    fn name(&self) -> Option<&str> {
        let first = || Some(self.document.parsed.operations.iter().next()?.0?.as_str());
        self.operation.as_deref().or_else(first)
    }

    /// What it is in the metrics.
    fn kind(&self) -> OperationLabel {
        match self.operation().map(|operation| operation.ty) {
            Some(OperationType::Query) => OperationLabel::Query,
            Some(OperationType::Mutation) => OperationLabel::Mutation,
            Some(OperationType::Subscription) => OperationLabel::Subscription,
            None => OperationLabel::Unknown,
        }
    }

    /// What brings one answer after the other into its final form.
    fn form(&self) -> impl FnMut(Response) -> Response {
        let operation = self.operation();
        let mut form =
            operation.map(|o| ResponseShaper::new(o, &self.document.parsed.fragments, &self.types));
        move |mut response| {
            crate::graphql::execute::errors::finish(&mut response);
            if let Some(form) = &mut form {
                form.finish(&mut response);
            }
            response
        }
    }

    fn finish(&self, response: Response) -> Response {
        self.form()(response)
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

    async fn answer(&self, asked: &PreparedOperation, context: &RequestContext) -> Response {
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
