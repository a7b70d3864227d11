//! Claims idempotency keys, and drops them when they are old.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use ring::digest::{Context, SHA256};
use tokio::time::sleep;

use crate::{
    app::{App, deadline::Deadline},
    auth::{
        caller::{Caller, Identity},
        scope::Scope,
    },
    domain::{
        error::{Error, Result},
        idempotency_key::IdempotencyKey,
    },
    service::presence::{IfPresent, Presence},
    store::{
        db::{
            database::Db,
            transaction::{Txn, Work},
        },
        idempotency_key::{self, Model},
    },
};

/// For how long a key is good, in seconds.
const KEEP_SECONDS: i64 = 86_400;
/// How much longer it is kept, in seconds: an operation may still run under it.
const PRUNE_AFTER_SECONDS: i64 = 3_600;
/// How many keys are dropped at a time, so that no writer waits for long.
const BATCH_SIZE: u64 = 500;
/// The pause before work of unknown outcome is run again.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause between two batches, in which others write.
const BATCH_PAUSE: Duration = Duration::from_millis(10);

/// A caller's key, which the current request has. A clone shares it.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedKey {
    /// The SHA-256 of the caller and its key, in hexadecimal.
    pub(crate) hash: Arc<str>,
}

/// Claims a caller's key for a request, which is named by a hash of its document and variables.
/// `None` where the caller may not write anyway: each field says so.
///
/// # Errors
/// `KeyReused` where another request has the key.
pub(crate) async fn claim(
    app: &App,
    caller: &Caller,
    key: &IdempotencyKey,
    request: &str,
    deadline: Deadline,
    presence: &Presence,
) -> Result<Option<ClaimedKey>> {
    if app.db.require_writable().is_err() || caller.require(Scope::Write).is_err() {
        return Ok(None);
    }
    let (hash, now) = (hash(caller, key), app.clock.now());
    let row = Model {
        hash: hash.clone(),
        request: request.to_owned(),
        claimed_at: now,
    };
    let expired = now - KEEP_SECONDS;
    let claim = Claim { row, expired };
    let claim = IfPresent {
        presence,
        work: &claim,
    };
    match write_again(&app.db, deadline, &claim).await {
        // Nothing is done yet.
        Err(Error::OutcomeUnknown) => Err(Error::Unavailable),
        claimed => claimed,
    }?;
    Ok(Some(ClaimedKey { hash: hash.into() }))
}

struct Claim {
    row: Model,
    expired: i64,
}

impl Work<()> for Claim {
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<()>> {
        Box::pin(idempotency_key::claim(txn, self.row.clone(), self.expired))
    }
}

/// Runs work that does no harm when it is repeated. Where its outcome is unknown, it is run again,
/// which finds out, until the deadline.
pub(crate) async fn write_again<T: Send>(
    db: &Db,
    deadline: Deadline,
    work: &impl Work<T>,
) -> Result<T> {
    let mut is_unknown = false;
    loop {
        match db.write(work).await {
            Err(Error::OutcomeUnknown) => is_unknown = true,
            Err(Error::Unavailable | Error::Conflict | Error::FileGone | Error::DiskFull)
                if is_unknown => {}
            done => return done,
        }
        if deadline.check().is_err() {
            return Err(Error::OutcomeUnknown);
        }
        sleep(PAUSE).await;
    }
}

/// The hash of a caller and its key, in hexadecimal. Callers without a token share their keys.
fn hash(caller: &Caller, key: &IdempotencyKey) -> String {
    let (kind, name) = match caller.identity() {
        None => ("anonymous", ""),
        Some(Identity::Token(name)) => ("token", &**name),
        Some(Identity::Subject(subject)) => ("subject", &**subject),
    };
    let mut hash = Context::new(&SHA256);
    for part in [kind, name, key.as_str()] {
        // With its length, so that no two sequences of parts read alike.
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finish())
}

/// Drops old keys, and returns how many.
pub(crate) async fn prune_keys(app: &App) -> Result<u64> {
    let before = app.clock.now() - KEEP_SECONDS - PRUNE_AFTER_SECONDS;
    let mut pruned = 0;
    loop {
        let dropped = idempotency_key::prune(&app.db, before, BATCH_SIZE).await?;
        pruned += dropped;
        if dropped < BATCH_SIZE {
            return Ok(pruned);
        }
        sleep(BATCH_PAUSE).await;
    }
}
