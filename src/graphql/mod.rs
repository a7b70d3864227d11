//! The schema: what each type and field means, and which one call answers it. Knows nothing of HTTP.

use std::sync::Arc;

use async_graphql::{
    Context, Positioned, Request, Response, SDLExportOptions, Schema, ServerError, Variables,
    parser::types::{Field, OperationDefinition, OperationType, Selection},
    value,
};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    auth::{Call, Caller, Scope},
    error::{Error, StartError},
};

mod answer;
mod budget;
mod build;
mod builder;
mod check;
mod connection;
mod cost;
pub(crate) mod document;
pub(crate) mod error;
mod event;
mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod group;
mod key;
pub(crate) mod live;
mod loader;
mod mutation;
mod node;
mod order;
mod query;
mod registered;
mod results;
mod scalar;
mod scan;
mod step;
mod subscription;
mod types;

use answer::Form;
use budget::Budget;
use cost::Cost;
use document::{Document, Documents, Operation};
use group::Groups;
use loader::Loaders;
use scalar::EventCursor;
use types::Types;

type Roots = Schema<query::Query, mutation::Mutation, subscription::Subscription>;

/// The schema over a server: what every transport executes requests with.
#[derive(Clone)]
pub struct Api {
    schema: Roots,
    types: Types,
    documents: Arc<Documents>,
    groups: Groups,
    /// One for each subscription that may begin at once.
    openings: Arc<Semaphore>,
    app: App,
}

/// What `eventCursor` answers, read before anything else of its request.
struct RequestCursor(crate::error::Result<EventCursor>);

/// What is said to a subscription where one answer is all there can be.
const ONE_ANSWER: &str =
    "a subscription goes over a WebSocket, or over HTTP with `Accept: text/event-stream`";

/// How many subscriptions begin at once; the others wait.
const MAX_OPENINGS: usize = 32;

/// What resolvers need, without spelling out how it is kept.
trait ContextExt {
    fn app(&self) -> &App;
    fn caller(&self) -> &Caller;
    fn loaders(&self) -> &Loaders;
    /// A write may begin: there is time left. Once begun, it is not cut off.
    fn begin(&self) -> crate::error::Result<()>;
    fn event_cursor(&self) -> crate::error::Result<EventCursor>;
    /// Logs, once, that a row holds a value that no Buildbot should have written.
    fn odd(&self, column: &'static str, id: i32);
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

    fn begin(&self) -> crate::error::Result<()> {
        self.loaders().budget().check()
    }

    fn event_cursor(&self) -> crate::error::Result<EventCursor> {
        self.data_unchecked::<RequestCursor>().0.clone()
    }

    fn odd(&self, column: &'static str, id: i32) {
        self.app().oddities.note(column, id);
    }
}

fn build_schema()
-> async_graphql::SchemaBuilder<query::Query, mutation::Mutation, subscription::Subscription> {
    Schema::build(query::Query, mutation::Mutation, subscription::Subscription)
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
    pub async fn new(app: App) -> Result<Self, StartError> {
        let limits = &app.config.limit;
        let nesting = usize::try_from(limits.max_nesting).unwrap_or(usize::MAX);
        let mut schema = build_schema()
            .limit_recursive_depth(nesting)
            .data(app.clone());
        if limits.no_introspection {
            schema = schema.disable_introspection().disable_suggestions();
        }
        let schema = schema.finish();
        let types = Types::read(&schema.sdl());
        let mut documents = Documents::new(types.clone(), app.config.limit.clone());
        for (id, text) in registered::read(limits)? {
            let valid = documents.register(&id, text);
            let refused = match valid {
                Ok(document) => registered::refusal(&schema, &document).await,
                Err(refusal) => Some(refusal),
            };
            if let Some(refusal) = refused {
                return Err(registered::cannot(
                    limits,
                    &format!("the document {id:?}: {refusal}"),
                ));
            }
        }
        Ok(Self {
            documents: Arc::new(documents),
            types,
            schema,
            groups: Groups::default(),
            openings: Arc::new(Semaphore::new(MAX_OPENINGS)),
            app,
        })
    }

    /// The server that this schema answers for.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Finds out what is asked, or why it is not answered, before anything runs.
    pub(crate) fn open(&self, operation: Operation, call: &Call) -> Result<Asked, ServerError> {
        if let Err(error) = call.caller.require(Scope::Read) {
            return Err(error::from_error(&error));
        }
        let mut asked = Asked {
            document: self.documents.find(operation.source)?,
            operation: operation.name,
            variables: operation.variables,
            types: self.types.clone(),
            cost: Cost::default(),
        };
        // Where it is not said which, the library refuses to run any.
        if let Some(operation) = asked.operation() {
            let (variables, types) = (&asked.variables, &self.types);
            check::variables(operation, variables, types)?;
            let (document, limits) = (&asked.document.parsed, &self.app.config.limit);
            asked.cost = cost::cost(document, operation, variables, types, limits)?;
        }
        Ok(asked)
    }

    /// What the library executes: a copy of the document, with all that resolvers need.
    async fn request(&self, asked: &Asked, call: &Call) -> Request {
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
            .data(call.caller)
            .data(Loaders::new(self.app.db.clone(), budget))
            .data(RequestCursor(cursor));
        request.operation_name.clone_from(&asked.operation);
        request.set_parsed_query(asked.document.parsed.clone());
        request
    }
}

/// What was asked, and was found to be worth an answer.
pub(crate) struct Asked {
    document: Arc<Document>,
    operation: Option<String>,
    variables: Variables,
    types: Types,
    cost: Cost,
}

impl Asked {
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

    /// What brings one answer after the other into its final form.
    fn form(&self) -> impl FnMut(Response) -> Response {
        let operation = self.operation();
        let mut form =
            operation.map(|o| Form::new(o, &self.document.parsed.fragments, &self.types));
        move |mut response| {
            error::finish(&mut response);
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
    pub(crate) async fn execute(&self, asked: Asked, call: &Call) -> Response {
        if asked.is(OperationType::Subscription) {
            let refusal = error::refusal(ONE_ANSWER, error::VALIDATION_FAILED);
            return Response::from_errors(vec![refusal]);
        }
        let answer = async {
            let request = self.request(&asked, call).await;
            self.schema.execute(request).await
        };
        let response = if asked.is_mutation() {
            Ok(answer.await)
        } else {
            self.app.deadline().keep(answer).await
        };
        let response = match response {
            Ok(response) => asked.finish(response),
            Err(error) => Response::from_errors(vec![error::from_error(&error)]),
        };
        if call.wants_cost && !live::is_refused(&response) {
            let max = self.app.config.limit.max_cost;
            let cost = value!({ "objects": asked.cost.objects, "max": max });
            return response.extension("cost", cost);
        }
        response
    }
}
