//! Counters for the limits on a document.

use async_graphql::{Pos, ServerError};

use crate::graphql::execute::errors;

/// A limit, the highest count so far, and where the limit was first exceeded.
pub(crate) struct LimitCount {
    /// The limit's flag.
    limit: &'static str,
    max: u64,
    /// What is counted, in the plural.
    what: &'static str,
    /// What a client can do.
    advice: &'static str,
    most: u64,
    passed_at: Option<(String, Pos)>,
}

impl LimitCount {
    pub(crate) fn new(
        limit: &'static str,
        max: u64,
        what: &'static str,
        advice: &'static str,
    ) -> Self {
        Self {
            limit,
            max,
            what,
            advice,
            most: 0,
            passed_at: None,
        }
    }

    /// Notes that there are `number` in one place.
    pub(crate) fn observe(&mut self, number: u64, name: &str, pos: Pos) {
        self.most = self.most.max(number);
        if number > self.max {
            self.passed_at.get_or_insert_with(|| (name.to_owned(), pos));
        }
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, name: &str, pos: Pos) {
        self.observe(self.most + 1, name, pos);
    }

    /// Fails if the limit is exceeded.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let Some((name, pos)) = &self.passed_at else {
            return Ok(());
        };
        let what = format!("{}, too many from {name} on", self.what);
        let (limit, max, most, advice) = (self.limit, self.max, self.most, self.advice);
        Err(errors::limit(limit, max, most, &what, advice, &[*pos]))
    }
}
