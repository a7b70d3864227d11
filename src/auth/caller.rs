//! TODO.

use crate::{
    auth::{scope::Scope, token::TokenHash},
    domain::error::{Error, Result},
};
use std::sync::Arc;

/// The one who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Up to which scope, or why it may do nothing at all, not even what callers without a token may.
    pub(crate) may: Result<Scope>,
    pub(crate) identity: Option<Identity>,
    pub(crate) validity: Validity,
}

/// Whose token a caller has shown, the same for each token of the same name or subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// A token of this server, by its name.
    Token(Arc<str>),
    /// A JWT, by its subject.
    Subject(Arc<str>),
}

/// For how long a caller may do what it may.
#[derive(Clone, Debug)]
pub(crate) enum Validity {
    Always,
    /// As long as the database has a token with this hash.
    Stored(TokenHash),
    /// Up to this second since the epoch.
    Until(i64),
}

impl Caller {
    /// A caller without a token.
    #[must_use]
    pub(crate) fn anonymous(scope: Option<Scope>) -> Self {
        Self {
            may: scope.ok_or(Error::Unauthenticated),
            identity: None,
            validity: Validity::Always,
        }
    }

    /// The program itself: the demo's builders.
    #[must_use]
    pub(crate) fn local() -> Self {
        Self::anonymous(Some(Scope::Write))
    }

    /// A caller who has shown something that is not good, or cannot be judged now.
    pub(crate) fn refused(why: Error) -> Self {
        Self {
            may: Err(why),
            identity: None,
            validity: Validity::Always,
        }
    }

    /// Lets the caller through who has this scope.
    ///
    /// # Errors
    /// `Unauthenticated` where strangers may do nothing, `BadToken` for a token that is not good, `Forbidden` for who may do less,
    /// `Unavailable` where a token cannot be judged.
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

    /// What it may do at most; none where that is nothing.
    #[must_use]
    pub(crate) fn scope(&self) -> Option<Scope> {
        self.may.clone().ok()
    }

    /// Whose token it is; none for callers without a good one.
    #[must_use]
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}
