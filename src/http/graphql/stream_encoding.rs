//! How the results of an operation are written into one response body: as server-sent events in the
//! "distinct connections" mode of graphql-sse, or as the parts of Apollo's multipart protocol for
//! subscriptions.

use axum::http::HeaderValue;

/// An encoding of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEncoding {
    EventStream,
    Multipart,
}

/// The event that ends a stream. It has an empty `data` because browsers drop events without one.
const COMPLETE: &str = "event: complete\ndata:\n\n";
/// A comment, which keeps a quiet connection open and which clients ignore.
const COMMENT: &str = ":\n\n";
/// In how many milliseconds the client of a stream that is cut off should reconnect. It does so
/// because there is no `complete`.
const RETRY: &str = "retry: 1000\n\n";
/// What comes before the first part and ends each one. A part is read once its end is there, so
/// the next boundary is sent along with it.
const BOUNDARY: &str = "\r\n---";
/// What makes the last boundary the end.
const END: &str = "--\r\n";

impl StreamEncoding {
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::EventStream => "text/event-stream",
            Self::Multipart => "multipart/mixed;boundary=\"-\";subscriptionSpec=1.0",
        })
    }

    /// What comes before everything else.
    pub(crate) fn start(self) -> &'static str {
        match self {
            Self::EventStream => "",
            Self::Multipart => BOUNDARY,
        }
    }

    /// A result, which is compact JSON without line breaks, and the cursor to resume from.
    pub(crate) fn result(self, payload: &str, cursor: Option<&str>) -> String {
        match self {
            Self::EventStream => {
                let id = cursor.map(|cursor| format!("id: {cursor}\n"));
                format!("{}event: next\ndata: {payload}\n\n", id.unwrap_or_default())
            }
            Self::Multipart => part(&format!("{{\"payload\":{payload}}}")),
        }
    }

    /// The errors, as JSON, of a stream that could not go on.
    pub(crate) fn failure(self, errors: &str) -> String {
        match self {
            Self::EventStream => self.result(&format!("{{\"errors\":{errors}}}"), None),
            Self::Multipart => part(&format!("{{\"payload\":null,\"errors\":{errors}}}")),
        }
    }

    /// The end of a stream that the server's stop cuts off. An event stream only gets a comment,
    /// since nothing has gone wrong.
    pub(crate) fn stop(self, errors: &str) -> String {
        match self {
            Self::EventStream => format!(": the server is stopping\n{RETRY}"),
            Self::Multipart => self.failure(errors) + END,
        }
    }

    /// What shows that a quiet stream is open.
    pub(crate) fn heartbeat(self) -> String {
        match self {
            Self::EventStream => COMMENT.to_owned(),
            Self::Multipart => part("{}"),
        }
    }

    /// What comes after the errors of a stream that its client can resume.
    pub(crate) fn interruption(self) -> &'static str {
        match self {
            Self::EventStream => RETRY,
            Self::Multipart => END,
        }
    }

    /// What comes after the last result.
    pub(crate) fn end(self) -> &'static str {
        match self {
            Self::EventStream => COMPLETE,
            Self::Multipart => END,
        }
    }
}

fn part(json: &str) -> String {
    format!("\r\nContent-Type: application/json\r\n\r\n{json}{BOUNDARY}")
}
