//! What resolvers reach through async-graphql's context: the server, the caller and the loaders.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Name};

use crate::{
    app::{App, deadline::Deadline},
    auth::caller::Caller,
    domain::error::Result,
    graphql::{execute::loader::Loaders, schema::scalar::EventCursor},
    service::{
        idempotency::ClaimedKey,
        presence::Presence,
        writer::{KeyedField, Writer},
    },
};

/// The value of `eventCursor`, read before anything else in its request.
pub(crate) struct RequestCursor(pub(crate) Result<EventCursor>);

/// A mutation with an idempotency key.
pub(crate) struct KeyedMutation {
    pub(crate) key: ClaimedKey,
    /// The places of its root fields, from 0, by their response keys.
    pub(crate) places: HashMap<Name, i32>,
    pub(crate) deadline: Deadline,
}

/// The schema for the gateway of a federation.
#[derive(Clone)]
pub(crate) struct SubgraphSdl(pub(crate) Arc<str>);

/// What resolvers need. `Api::new` and `library_request` put all of it into the context, where
/// `data_unchecked` finds it.
pub(crate) trait ContextExt {
    fn app(&self) -> &App;
    fn caller(&self) -> &Caller;
    fn loaders(&self) -> &Loaders;
    /// Who writes for this root field of a mutation. Fails if no time is left to begin: a write
    /// that has begun is not cut off.
    fn begin(&self) -> Result<Writer>;
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

    fn begin(&self) -> Result<Writer> {
        self.loaders().budget().check()?;
        let keyed = self.data_opt::<KeyedMutation>().map(|mutation| KeyedField {
            key: mutation.key.clone(),
            field: mutation.places[&self.item.node.response_key().node],
            deadline: mutation.deadline,
        });
        Ok(Writer {
            caller: self.caller().clone(),
            keyed,
            presence: self.data_unchecked::<Presence>().clone(),
        })
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
