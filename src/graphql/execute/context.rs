//! What resolvers reach through async-graphql's context: the server, the caller and the loaders.

use std::sync::Arc;

use async_graphql::Context;

use crate::{
    app::App,
    auth::caller::Caller,
    domain::error::Result,
    graphql::{execute::loader::Loaders, schema::scalar::EventCursor},
};

/// The value of `eventCursor`, read before anything else in its request.
pub(crate) struct RequestCursor(pub(crate) Result<EventCursor>);

/// The schema for the gateway of a federation.
#[derive(Clone)]
pub(crate) struct SubgraphSdl(pub(crate) Arc<str>);

/// What resolvers need. `Api::new` and `library_request` put all of it into the context, where
/// `data_unchecked` finds it.
pub(crate) trait ContextExt {
    fn app(&self) -> &App;
    fn caller(&self) -> &Caller;
    fn loaders(&self) -> &Loaders;
    /// Fails if no time is left to begin a write. A write that has begun is not cut off.
    fn begin(&self) -> Result<()>;
    fn event_cursor(&self) -> Result<EventCursor>;
    fn subgraph_sdl(&self) -> &str;
    /// Logs, once for each row and column, that the row holds a value that cannot be read.
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

    fn begin(&self) -> Result<()> {
        self.loaders().budget().check()
    }

    fn event_cursor(&self) -> Result<EventCursor> {
        self.data_unchecked::<RequestCursor>().0.clone()
    }

    fn subgraph_sdl(&self) -> &str {
        &self.data_unchecked::<SubgraphSdl>().0
    }

    fn report_invalid(&self, column: &'static str, id: i32) {
        self.app().invalid_values.report(column, id);
    }
}
