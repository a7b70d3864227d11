//! TODO.

use crate::auth::caller::Caller;
use std::{net::IpAddr, sync::Arc};

/// What every transport knows of a request before it is read.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The address of who asks: what is counted against callers without a token.
    pub(crate) address: IpAddr,
    /// The request's name in the log and in the errors of its answer.
    pub(crate) request_id: Arc<str>,
    /// The answer is to say what it cost.
    pub(crate) wants_cost: bool,
}
