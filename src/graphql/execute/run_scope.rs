//! What one run of an operation has to itself.

use std::sync::Arc;

use crate::{
    app::{App, deadline::Deadline},
    auth::request_context::RequestContext,
    service::presence::Presence,
    store::db::read_account::ReadAccount,
};

/// What one run of an operation has to itself. A clone shares it.
#[derive(Clone)]
pub(crate) struct RunScope {
    /// On which it reads.
    pub(crate) account: Arc<ReadAccount>,
    /// Counted from the operation's arrival: it may have to wait before it begins.
    pub(crate) deadline: Deadline,
    /// Its client's.
    pub(crate) presence: Presence,
}

impl RunScope {
    /// For an operation that arrives now.
    pub(crate) fn new(app: &App, context: &RequestContext) -> Self {
        let (account, deadline) = (app.rate_limiter.read_account(context), app.deadline());
        account.expect_by(deadline.at());
        Self {
            account,
            deadline,
            presence: Presence::default(),
        }
    }
}
