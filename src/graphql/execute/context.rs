//! What resolvers reach through async-graphql's context: the server, who calls, and the loaders.

use async_graphql::Context;

use crate::{
    app::App,
    auth::caller::Caller,
    domain::error::Result,
    graphql::{execute::loader::Loaders, schema::scalar::EventCursor},
};

/// What `eventCursor` answers, read before anything else of its request.
pub(crate) struct RequestCursor(pub(crate) Result<EventCursor>);

/// What resolvers need of their request. Every request brings all of it along as data.
pub(crate) trait ContextExt {
    fn app(&self) -> &App;
    fn caller(&self) -> &Caller;
    fn loaders(&self) -> &Loaders;
    /// Fails where no time is left to begin a write. Once begun, a write is not cut off.
    fn begin(&self) -> Result<()>;
    fn event_cursor(&self) -> Result<EventCursor>;
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

    fn begin(&self) -> Result<()> {
        self.loaders().budget().check()
    }

    fn event_cursor(&self) -> Result<EventCursor> {
        self.data_unchecked::<RequestCursor>().0.clone()
    }

    fn report_invalid(&self, column: &'static str, id: i32) {
        self.app().invalid_values.report(column, id);
    }
}
