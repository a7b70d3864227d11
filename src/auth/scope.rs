//! What callers may do.

/// What a caller may do; each scope includes the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Queries and subscriptions.
    Read,
    /// Mutations too.
    Write,
}

impl Scope {
    /// Its name on the command line, in the database and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The scope of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Write]
            .into_iter()
            .find(|scope| scope.name() == name)
    }
}
