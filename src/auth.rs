//! Who is calling, from where, and what they may do.

use std::{net::IpAddr, sync::Arc};

use crate::error::{Error, Result};

/// What a caller may do; each includes the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Queries and subscriptions.
    Read,
    /// Mutations too.
    Write,
}

impl Scope {
    /// Its name on the command line and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The one who asks: for now always without a token, so all that counts is what such callers may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    scope: Option<Scope>,
}

/// What every transport knows of a request before it is read.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub caller: Caller,
    /// The address of who asks: what is counted against callers without a token.
    pub address: IpAddr,
    /// The request's name in the log and in the errors of its answer.
    pub id: Arc<str>,
    /// The answer is to say what it cost.
    pub wants_cost: bool,
}

impl Caller {
    /// A caller without a token.
    #[must_use]
    pub fn anonymous(scope: Option<Scope>) -> Self {
        Self { scope }
    }

    /// The program itself: the demo's builders.
    #[must_use]
    pub fn local() -> Self {
        Self {
            scope: Some(Scope::Write),
        }
    }

    /// Lets the caller through who has this scope.
    ///
    /// # Errors
    /// `Unauthenticated` where strangers may do nothing, `Forbidden` where they may do less.
    pub fn require(&self, scope: Scope) -> Result<()> {
        match self.scope {
            None => Err(Error::Unauthenticated),
            Some(has) if has < scope => Err(Error::Forbidden {
                scope: scope.name(),
                has: has.name(),
            }),
            Some(_) => Ok(()),
        }
    }
}
