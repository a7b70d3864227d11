//! TODO.

use crate::{
    app::App,
    auth::caller::Caller,
    graphql::{execute::loader::Loaders, schema::scalar::EventCursor},
};
use async_graphql::Context;

/// What `eventCursor` answers, read before anything else of its request.
pub(crate) struct RequestCursor(pub(crate) crate::domain::error::Result<EventCursor>);

/// What resolvers need, without spelling out how it is kept.
pub(crate) trait ContextExt {
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
