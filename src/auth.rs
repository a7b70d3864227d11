//! Who is calling, from where, and what they may do.

pub(crate) mod access;
pub(crate) mod jwks;
pub(crate) mod jwt;
pub(crate) mod signature;
pub(crate) mod token;
pub(crate) mod token_lease;

use std::{net::IpAddr, sync::Arc};

use crate::{
    auth::token::TokenHash,
    domain::error::{Error, Result},
};

/// What a caller may do; each includes the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Queries and subscriptions.
    Read,
    /// Mutations too.
    Write,
}

impl Scope {
    /// Its name on the command line, in the database and in messages.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The one of this name.
    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Write]
            .into_iter()
            .find(|scope| scope.name() == name)
    }
}

/// The one who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Up to which scope, or why it may do nothing at all, not even what callers without a token may.
    may: Result<Scope>,
    identity: Option<Identity>,
    validity: Validity,
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
enum Validity {
    Always,
    /// As long as the database has a token with this hash.
    Stored(TokenHash),
    /// Up to this second since the epoch.
    Until(i64),
}

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
    fn refused(why: Error) -> Self {
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
