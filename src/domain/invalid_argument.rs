//! An argument that breaks a rule.

/// Which argument, and the rule together with the value that broke it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidArgument {
    pub(crate) argument: &'static str,
    pub(crate) reason: String,
}

impl InvalidArgument {
    pub(crate) fn new(argument: &'static str, reason: impl Into<String>) -> Self {
        Self {
            argument,
            reason: reason.into(),
        }
    }
}
