//! A caller: what it may do, whose token it presented, and how long that token is valid.

use std::sync::Arc;

use crate::{
    auth::{scope::Scope, token::TokenHash, verifying_key::VerifyingKey},
    domain::error::{Error, Result},
};

/// An authenticated caller, or one that was rejected.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The caller's scope, or why it may do nothing, not even what anonymous callers may.
    pub(crate) may: Result<Scope>,
    /// `None` for anonymous and rejected callers, whose address pays instead.
    pub(crate) identity: Option<Identity>,
    pub(crate) validity: Validity,
}

/// Whose token a caller presented. Tokens with the same name or subject share one identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// A stored token, by its name.
    Token(Arc<str>),
    /// A JWT, by its subject.
    Subject(Arc<str>),
}

/// How long a caller's authentication holds.
#[derive(Clone, Debug)]
pub(crate) enum Validity {
    Always,
    /// As long as the database has a token with this hash, and before this second since the epoch.
    Stored {
        hash: TokenHash,
        expires_at: Option<i64>,
    },
    /// Before this second since the epoch, and as long as the identity provider names this key.
    Signed {
        end: i64,
        key: Arc<VerifyingKey>,
    },
}

impl Caller {
    /// A caller without a token.
    pub(crate) fn anonymous(scope: Option<Scope>) -> Self {
        Self {
            may: scope.ok_or(Error::Unauthenticated),
            identity: None,
            validity: Validity::Always,
        }
    }

    /// The program itself: the demo's builders.
    pub(crate) fn local() -> Self {
        Self::anonymous(Some(Scope::Write))
    }

    /// A caller whose token is invalid, or cannot be checked at the moment.
    pub(crate) fn rejected(why: Error) -> Self {
        Self {
            may: Err(why),
            identity: None,
            validity: Validity::Always,
        }
    }

    /// Fails where the caller does not have this scope.
    ///
    /// # Errors
    /// `Unauthenticated` where anonymous callers may do nothing, `BadToken`, `Forbidden` where the
    /// caller has a lesser scope, `Unavailable` where its token cannot be checked.
    pub(crate) fn require(&self, scope: Scope) -> Result<()> {
        match &self.may {
            Err(why) => Err(why.clone()),
            Ok(has) if *has < scope => Err(Error::Forbidden {
                scope: scope.name(),
                has: match self.identity {
                    Some(_) => "this token has read",
                    None => "callers without a token have read here",
                },
            }),
            Ok(_) => Ok(()),
        }
    }

    /// The scope it has; `None` where it may do nothing.
    pub(crate) fn scope(&self) -> Option<Scope> {
        self.may.clone().ok()
    }

    /// The owner of its token; `None` for callers without a valid one.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}
