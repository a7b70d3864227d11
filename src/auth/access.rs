//! Finds out who is calling. A stored token is looked up for each request, so that a revoked one
//! can do nothing from then on.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::future::join;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{
        authorization::{token_from_headers, token_from_payload},
        caller::{Caller, Identity, Validity},
        jwt::JwtVerification,
        rejection::{EXPIRED, JWT_EXPIRED, MALFORMED, REVOKED, UNKNOWN},
        remembered::RememberedTokens,
        scope::Scope,
        token::{PlainToken, TokenHash},
        token_lease::{TokenLease, TokenLeases},
        verifying_key::VerifyingKey,
    },
    clock::Clock,
    config::{Config, http::Anonymous},
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
    store::{db::database::Db, token},
};

/// The pause between two checks for revoked tokens that hold a socket or a stream open.
const INTERVAL: Duration = Duration::from_secs(1);

/// Authenticates callers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Access(Arc<AccessState>);

#[derive(Debug)]
struct AccessState {
    db: Db,
    anonymous: Caller,
    /// `None` where JWTs are not accepted.
    jwt: Option<JwtVerification>,
    leases: TokenLeases,
    remembered: RememberedTokens,
}

impl Access {
    /// Access to a server over this database.
    ///
    /// # Errors
    /// JWTs are configured, and no HTTP client can be made that fetches their keys.
    pub(crate) fn new(config: &Config, db: Db) -> Result<Self, CommandError> {
        let anonymous = Caller::anonymous(match config.anonymous() {
            Anonymous::None => None,
            Anonymous::Read => Some(Scope::Read),
            Anonymous::Write => Some(Scope::Write),
        });
        Ok(Self(Arc::new(AccessState {
            db,
            anonymous,
            jwt: JwtVerification::new(&config.token)?,
            leases: TokenLeases::default(),
            remembered: RememberedTokens::default(),
        })))
    }

    /// The caller without a token.
    pub(crate) fn anonymous(&self) -> Caller {
        self.0.anonymous.clone()
    }

    /// The caller of a request with these values of the header `Authorization`. Where its address
    /// cannot pay for a refused token, one that was not stored a second ago is not looked up.
    pub(crate) async fn authenticate_header(
        &self,
        values: impl IntoIterator<Item = &[u8]>,
        can_pay: bool,
    ) -> Caller {
        match token_from_headers(values) {
            Ok(None) => self.anonymous(),
            Ok(Some(token)) => self.authenticate(token, can_pay).await,
            Err(rejection) => Caller::rejected(rejection),
        }
    }

    /// The caller of a WebSocket with these values of `Authorization` in its `connection_init`;
    /// `can_pay` is as above.
    pub(crate) async fn authenticate_payload(
        &self,
        values: &[Option<String>],
        can_pay: bool,
    ) -> Caller {
        match token_from_payload(values) {
            Ok(token) => self.authenticate(token, can_pay).await,
            Err(rejection) => Caller::rejected(rejection),
        }
    }

    async fn authenticate(&self, text: &str, can_pay: bool) -> Caller {
        // A JWT begins with the base64 of `{`, whose first character is `e`: never with the prefix.
        let found = if text.starts_with(PlainToken::PREFIX) {
            match text.parse::<PlainToken>() {
                Ok(token) => self.find_remembered(token.hash(), can_pay).await,
                Err(()) => Err(MALFORMED),
            }
        } else {
            match &self.0.jwt {
                Some(jwt) => jwt.authenticate(text).await,
                None => Err(MALFORMED),
            }
        };
        found.unwrap_or_else(Caller::rejected)
    }

    async fn find_remembered(&self, hash: TokenHash, can_pay: bool) -> Result<Caller> {
        let remembered = &self.0.remembered;
        if let Some(caller) = remembered.recall(&hash) {
            return Ok(caller);
        }
        if !can_pay && !remembered.has(&self.0.db, &hash).await? {
            return Err(UNKNOWN);
        }
        self.find_stored(hash, UNKNOWN).await
    }

    /// Notes that a caller was refused for want of points: its token is not looked up for a second.
    pub(crate) fn note_without_points(&self, caller: &Caller) {
        self.0.remembered.remember(caller);
    }

    /// Finds the caller whose token has this hash. If there is none, ends the token's leases and
    /// fails with `otherwise`.
    async fn find_stored(&self, hash: TokenHash, otherwise: Error) -> Result<Caller> {
        let found = token::by_hash(&self.0.db, hash.as_str()).await?;
        // A database's collation may equate different texts, so the hashes are compared here too.
        let found = found.filter(|row| TokenHash::from(row.hash.clone()) == hash);
        let scope = found.as_ref().and_then(|row| Scope::from_name(&row.scope));
        let (Some(row), Some(scope)) = (found, scope) else {
            // Ends the leases at once, rather than at the next check of `end_revoked_leases`.
            self.0.leases.end(&hash);
            return Err(otherwise);
        };
        let expires_at = row.expires_at;
        // A token expires in real time, whichever clock dates the writes.
        if expires_at.is_some_and(|end| end <= Clock::System.now()) {
            return Err(EXPIRED);
        }
        Ok(Caller {
            may: Ok(scope),
            identity: Some(Identity::Token(row.name.into())),
            validity: Validity::Stored { hash, expires_at },
        })
    }

    /// Authenticates the same caller again, before it does something more on an open socket.
    pub(crate) async fn revalidate(&self, caller: &Caller) -> Caller {
        match &caller.validity {
            Validity::Stored { hash, .. } => {
                let found = self.find_stored(hash.clone(), REVOKED).await;
                found.unwrap_or_else(Caller::rejected)
            }
            Validity::Signed { end, .. } if *end <= Clock::System.now() => {
                Caller::rejected(JWT_EXPIRED)
            }
            Validity::Signed { key, .. } => match self.check_key(key) {
                Ok(()) => caller.clone(),
                Err(why) => Caller::rejected(why),
            },
            Validity::Always => caller.clone(),
        }
    }

    /// Leases a socket or a stream for as long as the caller's token is valid.
    pub(crate) fn lease(&self, caller: &Caller) -> TokenLease {
        match &caller.validity {
            Validity::Always => TokenLease::always(),
            Validity::Stored { hash, expires_at } => {
                let stored = self.0.leases.lease(hash, REVOKED);
                match expires_at {
                    Some(end) => stored.or(TokenLease::until(*end, EXPIRED)),
                    None => stored,
                }
            }
            Validity::Signed { end, key } => {
                let (access, key) = (self.clone(), key.clone());
                let lost = async move { access.key_lost(&key).await };
                TokenLease::until(*end, JWT_EXPIRED).or(lost)
            }
        }
    }

    fn check_key(&self, key: &VerifyingKey) -> Result<()> {
        self.0.jwt.as_ref().map_or(Ok(()), |jwt| jwt.check_key(key))
    }

    async fn key_lost(&self, key: &VerifyingKey) -> Error {
        match &self.0.jwt {
            Some(jwt) => jwt.key_lost(key).await,
            None => pending().await,
        }
    }

    /// Ends the leases of revoked tokens, and refreshes the identity provider's keys, until the
    /// server stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let refresh_keys = async {
            if let Some(jwt) = &self.0.jwt {
                jwt.keep_fresh().await;
            }
        };
        stop.run_until_cancelled(join(self.end_revoked_leases(), refresh_keys))
            .await;
    }

    async fn end_revoked_leases(&self) {
        // Not the connections of queries: a long query there would delay a revocation.
        let db = self.0.db.watching();
        loop {
            sleep(INTERVAL).await;
            // Listed before the read: a token created and leased after the read would look revoked.
            let leased = self.0.leases.leased();
            if leased.is_empty() {
                continue;
            }
            match token::hashes(&db).await {
                Ok(stored) => self.0.leases.end_all_but(&leased, stored),
                // An unreachable database must not end the leases of valid tokens.
                Err(error) => {
                    tracing::warn!(%error, "it cannot be told whether tokens were revoked");
                }
            }
        }
    }
}
