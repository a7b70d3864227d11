//! What every transport knows about a request before it reads the body.

use std::{net::IpAddr, sync::Arc};

use crate::auth::caller::Caller;

/// Who makes a request, from where, and under which id.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    pub(crate) caller: Caller,
    /// The client's address, whose rate limit anonymous callers share.
    pub(crate) address: IpAddr,
    /// The request's id in the log and in the errors of its response.
    pub(crate) request_id: Arc<str>,
    /// Whether the response should say what it cost.
    pub(crate) wants_cost: bool,
    pub(crate) site: RequestSite,
}

/// Whose page makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestSite {
    /// One of this server, or of an origin that the operator has allowed.
    Trusted,
    /// Another one.
    Foreign,
    /// No browser says so.
    Unknown,
}

impl RequestContext {
    pub(crate) fn new(
        caller: Caller,
        address: IpAddr,
        request_id: Arc<str>,
        wants_cost: bool,
    ) -> Self {
        Self {
            caller,
            address,
            request_id,
            wants_cost,
            site: RequestSite::Unknown,
        }
    }

    /// The same request with another caller: a WebSocket may authenticate after its handshake.
    pub(crate) fn with_caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }
}
