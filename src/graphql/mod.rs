//! The schema: what each type and field means, and which one call answers it. Knows nothing of HTTP.

use std::sync::Arc;

use async_graphql::{
    Context, Positioned, Request, Response, SDLExportOptions, Schema, ServerError,
    parser::types::{
        ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    auth::{Call, Caller, Scope},
    error::Error,
};

mod answer;
mod build;
mod builder;
mod check;
mod connection;
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
mod results;
mod scalar;
mod step;
mod subscription;
mod types;

use answer::Form;
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
    #[must_use]
    pub fn new(app: App) -> Self {
        let schema = build_schema().data(app.clone()).finish();
        Self {
            types: Types::read(&schema.sdl()),
            schema,
            groups: Groups::default(),
            openings: Arc::new(Semaphore::new(MAX_OPENINGS)),
            app,
        }
    }

    /// The server that this schema answers for.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Reads the document and gives the request what its resolvers need, or says why it is not answered.
    async fn prepare(
        &self,
        mut request: Request,
        call: &Call,
    ) -> Result<(Request, Asked), ServerError> {
        if let Err(error) = call.caller.require(Scope::Read) {
            return Err(error::from_error(&error));
        }
        let asked = match request.parsed_query() {
            Ok(document) => Asked {
                document: document.clone(),
                operation: request.operation_name.clone(),
                types: self.types.clone(),
            },
            Err(mut error) => {
                error
                    .extensions
                    .get_or_insert_default()
                    .set("code", error::PARSE_FAILED);
                return Err(error);
            }
        };
        let wanted = operation(&asked.document, asked.operation.as_deref());
        if let Some(operation) = wanted {
            check::check(&asked.document, operation, &request.variables, &self.types)?;
        }
        let cursor = if asks_for(&asked.document, "eventCursor") {
            let position = self.app.feed.position().await;
            position.map(|p| EventCursor(self.app.feed.cursor(p)))
        } else {
            Err(Error::invalid("eventCursor", "not found in the document"))
        };
        let request = request
            .data(call.caller)
            .data(Loaders::new(self.app.db.clone()))
            .data(RequestCursor(cursor));
        Ok((request, asked))
    }
}

/// What was asked, kept to put the answer in order.
struct Asked {
    document: ExecutableDocument,
    operation: Option<String>,
    types: Types,
}

impl Asked {
    fn is_subscription(&self) -> bool {
        self.operation()
            .is_some_and(|operation| operation.ty == OperationType::Subscription)
    }

    fn operation(&self) -> Option<&OperationDefinition> {
        operation(&self.document, self.operation.as_deref())
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
        let mut form = operation.map(|o| Form::new(o, &self.document.fragments, &self.types));
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
    pub async fn execute(&self, request: Request, call: &Call) -> Response {
        match self.prepare(request, call).await {
            Ok((_, asked)) if asked.is_subscription() => {
                let refusal = error::refusal(ONE_ANSWER, error::VALIDATION_FAILED);
                Response::from_errors(vec![refusal])
            }
            Ok((request, asked)) => asked.finish(self.schema.execute(request).await),
            Err(refusal) => Response::from_errors(vec![refusal]),
        }
    }
}

/// The operation that would run; none where the document does not say which.
pub(crate) fn operation<'d>(
    document: &'d ExecutableDocument,
    name: Option<&str>,
) -> Option<&'d OperationDefinition> {
    let mut operations = document.operations.iter();
    let found = match name {
        Some(name) => operations.find(|(n, _)| n.is_some_and(|n| n == name)),
        None => operations.next(),
    };
    found.map(|(_, operation)| &operation.node)
}

/// One of the outermost selections is a field of this name.
fn asks_for(document: &ExecutableDocument, field: &str) -> bool {
    fn in_set(set: &SelectionSet, field: &str) -> bool {
        set.items.iter().any(|item| match &item.node {
            Selection::Field(f) => f.node.name.node == field,
            Selection::InlineFragment(f) => in_set(&f.node.selection_set.node, field),
            Selection::FragmentSpread(_) => false,
        })
    }
    let operations = document
        .operations
        .iter()
        .map(|(_, o)| &o.node.selection_set.node);
    let fragments = document
        .fragments
        .values()
        .map(|f| &f.node.selection_set.node);
    operations.chain(fragments).any(|set| in_set(set, field))
}
