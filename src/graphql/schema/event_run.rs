//! Events that follow one another, which the library executes as one: what it does for each takes
//! longer than writing it.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value, parser::types::Field,
    registry::Registry,
};

use crate::{
    domain::bookmark::Bookmark,
    graphql::{
        prepare::plans::Plans,
        schema::plain::{PlainValue, write},
        subscribe::stream_state::StreamState,
    },
};

/// One event or several; a clone is the same.
///
/// Where what is selected of them is plain, a response has a list of them in place of one, which
/// `encode_responses` takes apart. Otherwise it has the first.
pub(crate) struct EventRun<T: PlainValue>(Arc<Run<T>>);

struct Run<T: PlainValue> {
    /// With each, up to where everything is delivered with it.
    events: Vec<(T, Option<Bookmark>)>,
    /// How many of them the responses so far had.
    sent: AtomicUsize,
    state: StreamState,
}

impl<T: PlainValue> Clone for EventRun<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: PlainValue> EventRun<T> {
    pub(crate) fn new(events: Vec<(T, Option<Bookmark>)>, state: StreamState) -> Self {
        Self(Arc::new(Run {
            events,
            sent: AtomicUsize::new(0),
            state,
        }))
    }

    fn rest(&self) -> &[(T, Option<Bookmark>)] {
        let sent = self.0.sent.load(Ordering::Relaxed);
        self.0.events.get(sent..).unwrap_or_default()
    }

    /// Whether every event was sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.rest().is_empty()
    }

    /// Notes that the next response has so many events.
    fn send(&self, count: usize) {
        let rest = self.rest().iter().take(count);
        self.0
            .state
            .set_delivered(rest.map(|(_, delivered)| *delivered));
        self.0.sent.fetch_add(count, Ordering::Relaxed);
    }
}

impl<T: PlainValue + OutputType> OutputType for EventRun<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let plans = ctx.data_unchecked::<Arc<Plans>>();
        let written: Vec<Value> = match plans.get(&field.node.selection_set, T::plan) {
            Some(plan) => {
                let ctx = ctx.with_field(field);
                let rest = self.rest().iter();
                rest.map_while(|(event, _)| write(event, &plan, &ctx))
                    .collect()
            }
            None => Vec::new(),
        };
        if !written.is_empty() {
            self.send(written.len());
            return Ok(Value::List(written));
        }
        match self.rest().first() {
            Some((event, _)) => {
                self.send(1);
                event.resolve(ctx, field).await
            }
            None => Ok(Value::Null),
        }
    }
}
