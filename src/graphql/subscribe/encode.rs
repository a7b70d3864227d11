//! Encodes the responses of a stream as JSON, once for all subscribers.

use std::{iter, sync::Arc};

use async_graphql::{Response, ServerError, Value};
use futures_util::stream::{self, Stream, StreamExt};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{ErrorCode, Result},
    },
    graphql::{
        execute::{
            answer::Answer,
            errors::{ErrorSigner, from_error, settle},
            response::shape_response,
        },
        prepare::{operation::PreparedOperation, type_system::TypeSystem},
        subscribe::stream_state::StreamState,
    },
    memory::{MemoryBudget, MemoryShare},
};

/// A response of a stream, in JSON.
#[derive(Clone)]
pub(crate) struct EncodedEvent {
    pub(crate) payload: Arc<str>,
    /// A client with this event has everything up to here; `None` within a snapshot.
    pub(crate) bookmark: Option<Bookmark>,
    /// The payload's bytes, counted once however many queues it is in.
    _memory: Arc<MemoryShare>,
}

/// Why a stream ends.
pub(crate) type StreamErrors = Vec<ServerError>;

impl PreparedOperation {
    /// Encodes the responses of this subscription. An `Err` is a failure of its source, and the
    /// last item.
    pub(crate) fn encode_responses<'a>(
        &'a self,
        responses: impl Stream<Item = Result<Response>> + 'a,
        types: &'a TypeSystem,
        state: &'a StreamState,
        signer: &'a ErrorSigner,
        memory: &'a MemoryBudget,
        max_text_bytes: u64,
    ) -> impl Stream<Item = Result<EncodedEvent, StreamErrors>> + 'a {
        responses.flat_map(move |response| {
            let mut response = match response {
                Ok(response) => response,
                Err(error) => return stream::iter(vec![Err(vec![from_error(&error)])]),
            };
            // The source failed, not a field. Each subscriber signs these errors with its own id.
            if !state.is_open() {
                settle(&mut response.errors, ErrorCode::BadUserInput.into());
                return stream::iter(vec![Err(response.errors)]);
            }
            // The tail of a log has no bookmarks.
            let delivered = state.delivered_by_event().into_iter();
            let events = one_by_one(response).zip(delivered.chain(iter::repeat(None)));
            let events = events.map(|(mut response, bookmark)| {
                shape_response(&self.canonical, types, &mut response);
                let mut answer = Answer::write(response, max_text_bytes, None, |error| error);
                settle(&mut answer.errors, ErrorCode::BadUserInput.into());
                signer.sign(&mut answer.errors);
                let payload = answer.into_text();
                Ok(EncodedEvent {
                    _memory: Arc::new(memory.hold(payload.len())),
                    payload: payload.into(),
                    bookmark,
                })
            });
            stream::iter(events.collect::<Vec<_>>())
        })
    }
}

/// The response of each event: where several were written at once, they are a list in place of one.
fn one_by_one(mut response: Response) -> impl Iterator<Item = Response> {
    let several = match &mut response.data {
        Value::Object(fields) => fields.first_mut().and_then(|(key, value)| match value {
            Value::List(events) => Some((key.clone(), std::mem::take(events))),
            _ => None,
        }),
        _ => None,
    };
    let (key, events) = several.unzip();
    let one = events.is_none().then_some(response);
    let events = events.into_iter().flatten().map(move |event| {
        let fields = key.clone().map(|key| (key, event));
        Response::new(Value::Object(fields.into_iter().collect()))
    });
    one.into_iter().chain(events)
}
