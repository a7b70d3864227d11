//! Who a token belongs to: looked up in the database for each request, so that a revoked one can do nothing from then on.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{
        caller::{Caller, Identity, Validity},
        jwt::JwtVerification,
        scope::Scope,
        token::{PlainToken, TokenHash},
        token_lease::{TokenLease, TokenLeases},
    },
    clock::Clock,
    config::{Anonymous, Config},
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
    store::{db::database::Db, token},
};

/// How often it is looked whether the tokens of open sockets and streams are still there.
const EVERY: Duration = Duration::from_secs(1);

const TWO_HEADERS: Error = Error::BadToken("Authorization: one header is taken, got several");
const OTHER_SCHEME: Error =
    Error::BadToken("Authorization: Bearer and a token are taken, got another scheme");
const NO_TOKEN: Error =
    Error::BadToken("Authorization: Bearer and a token are taken, got no token");
const NO_TEXT: Error = Error::BadToken("Authorization: a text is needed");
const NO_FORM: Error = Error::BadToken("the token is none of this server's: its form is wrong");
const UNKNOWN: Error = Error::BadToken("the token is not known here: it is wrong or was revoked");
const REVOKED: Error = Error::BadToken("the token was revoked");
pub(crate) const EXPIRED: Error = Error::BadToken("the JWT has expired");

/// Knows callers by what they show. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    anonymous: Caller,
    jwt: Option<JwtVerification>,
    leases: TokenLeases,
}

impl Access {
    /// Access to a server with this database.
    ///
    /// # Errors
    /// JWTs are configured, and no client can be made that fetches their keys.
    pub(crate) fn new(config: &Config, db: Db) -> Result<Self, CommandError> {
        let anonymous = Caller::anonymous(match config.anonymous() {
            Anonymous::None => None,
            Anonymous::Read => Some(Scope::Read),
            Anonymous::Write => Some(Scope::Write),
        });
        Ok(Self(Arc::new(Inner {
            db,
            anonymous,
            jwt: JwtVerification::new(&config.token)?,
            leases: TokenLeases::default(),
        })))
    }

    /// A caller who shows nothing.
    #[must_use]
    pub(crate) fn anonymous(&self) -> Caller {
        self.0.anonymous.clone()
    }

    /// Who has sent these values of the header `Authorization`, if any.
    pub(crate) async fn authenticate_header(
        &self,
        values: impl IntoIterator<Item = &[u8]>,
    ) -> Caller {
        let mut values = values.into_iter();
        let token = match (values.next(), values.next()) {
            (None, _) => return self.anonymous(),
            (Some(value), None) => str::from_utf8(value).map_err(|_| NO_TEXT).and_then(bearer),
            (Some(_), Some(_)) => Err(TWO_HEADERS),
        };
        self.authenticate(token).await
    }

    /// Who has sent these values of `Authorization` in a socket's first message, where the word `Bearer` may be left out.
    pub(crate) async fn authenticate_payload(&self, values: &[Option<String>]) -> Caller {
        let token = match values {
            [Some(value)] => match value.trim() {
                "" => Err(NO_TOKEN),
                alone if !alone.contains(' ') && !alone.eq_ignore_ascii_case("Bearer") => Ok(alone),
                value => bearer(value),
            },
            [None] => Err(NO_TEXT),
            _ => Err(TWO_HEADERS),
        };
        self.authenticate(token).await
    }

    async fn authenticate(&self, token: Result<&str>) -> Caller {
        let found = match (token, &self.0.jwt) {
            (Err(why), _) => Err(why),
            (Ok(text), _) if text.starts_with(PlainToken::PREFIX) => match text.parse() {
                Ok(token) => self.stored(PlainToken::hash(&token), UNKNOWN).await,
                Err(()) => Err(NO_FORM),
            },
            (Ok(text), Some(jwt)) => jwt.caller(text).await,
            (Ok(_), None) => Err(NO_FORM),
        };
        found.unwrap_or_else(Caller::refused)
    }

    async fn stored(&self, hash: TokenHash, otherwise: Error) -> Result<Caller> {
        let found = token::by_hash(&self.0.db, hash.as_str()).await?;
        // Compared once more: a database may take texts for equal that are not.
        let found = found.filter(|row| TokenHash::from(row.hash.clone()) == hash);
        let scope = found.as_ref().and_then(|row| Scope::named(&row.scope));
        let (Some(row), Some(scope)) = (found, scope) else {
            self.0.leases.end(&hash);
            return Err(otherwise);
        };
        Ok(Caller {
            may: Ok(scope),
            identity: Some(Identity::Token(row.name.into())),
            validity: Validity::Stored(hash),
        })
    }

    /// The same caller, judged anew before it does something on an open socket.
    pub(crate) async fn revalidate(&self, caller: &Caller) -> Caller {
        match &caller.validity {
            Validity::Stored(hash) => {
                let found = self.stored(hash.clone(), REVOKED).await;
                found.unwrap_or_else(Caller::refused)
            }
            Validity::Until(end) if *end <= Clock::System.now() => Caller::refused(EXPIRED),
            Validity::Always | Validity::Until(_) => caller.clone(),
        }
    }

    /// Holds a socket or a stream open for as long as the caller's token is good.
    #[must_use]
    pub(crate) fn lease(&self, caller: &Caller) -> TokenLease {
        match &caller.validity {
            Validity::Always => TokenLease::always(),
            Validity::Stored(hash) => self.0.leases.lease(hash, REVOKED),
            Validity::Until(end) => TokenLease::until(*end, EXPIRED),
        }
    }

    /// Ends what revoked tokens hold open, and keeps the identity provider's keys fresh, until the server stops.
    pub(crate) async fn watch(self, stop: CancellationToken) {
        // Not one of the readers: long queries are not to put it off.
        let db = self.0.db.watching();
        let look = async {
            loop {
                sleep(EVERY).await;
                // The database is asked only while somebody holds something open, and after these were written down:
                // so their tokens were there before.
                let leased = self.0.leases.leased();
                if leased.is_empty() {
                    continue;
                }
                match token::hashes(&db).await {
                    Ok(stored) => self.0.leases.end_all_but(&leased, stored),
                    // A database that is away revokes nothing.
                    Err(error) => {
                        tracing::warn!(%error, "it cannot be told whether tokens were revoked");
                    }
                }
            }
        };
        let keys = async {
            if let Some(jwt) = &self.0.jwt {
                jwt.keep_fresh().await;
            }
        };
        stop.run_until_cancelled(futures_util::future::join(look, keys))
            .await;
    }
}

/// The token of a header's value.
fn bearer(value: &str) -> Result<&str> {
    let (scheme, token) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    match token.trim() {
        _ if !scheme.eq_ignore_ascii_case("Bearer") => Err(OTHER_SCHEME),
        "" => Err(NO_TOKEN),
        token => Ok(token),
    }
}
